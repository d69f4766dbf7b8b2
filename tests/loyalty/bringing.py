"""Shortcuts for tests about bringing friends."""

from datetime import timedelta

from customers import journey
from customers.identifiers import Given
from customers.models import Referral
from customers.referrals import Claim
from loyalty import balances, members, programs, purchases, referrals, refunds
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON

DAY = timedelta(days=1)
TERMS = {"referrer_points": 200, "friend_points": 100, "min_amount_minor": 1000}


def offer(merchant, **more):
    """The shop pays for bringing friends."""
    program = merchant.programs.get()
    program.extras = {"referral": TERMS | more}
    program.save()
    programs.publish(program=program, at=NOON - 30 * DAY, by="test")
    merchant.refresh_from_db()


def join(cafe, card, *, at=NOON, code="", **seen):
    return members.enroll(
        merchant=cafe,
        identifiers=[Given("card", card)],
        at=at,
        by="till",
        claim=Claim(code, **seen) if code or seen else None,
    )


def buy(customer, amount_minor=1500, reference="S-1", at=NOON, **more):
    sale = Sale(reference, "EUR", amount_minor, at, customer_id=customer.pk, **more)
    receipt = purchases.record(merchant=customer.merchant, sale=sale, at=at)
    relay(at)
    return receipt


def give_back(merchant, amount_minor=None, purchase="S-1", at=NOON, reference="F-1"):
    refunds.record(merchant=merchant, refund=Return(reference, at, None, purchase, amount_minor), at=at)
    relay(at)


def relay(at):
    while journey.relay(at=at):
        pass


def claim(friend, code, at=NOON, **seen):
    return referrals.claim(friend=friend, claim=Claim(code, **seen), at=at, by="till")


def points(customer, at=NOON):
    said = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    return said["active"], said["pending"]


def of(friend):
    return Referral.objects.get(friend=friend)
