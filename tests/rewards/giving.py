"""Shortcuts for tests about what levels give."""

from customers import journey
from lib import db
from loyalty import balances, programs, purchases, refunds
from loyalty.models import Tier
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON

OAT = {"kind": "benefit", "name": "Oat milk", "id": "oat"}
WELCOME = {"kind": "entry_points", "points": 100, "name": "Welcome to Silver"}
COFFEE = {"kind": "entry_reward", "reward": "espresso", "name": "A coffee on us"}


def promise(merchant, **levels):
    """`promise(cafe, Silver=[OAT])`: from now on this is what the levels give."""
    for name, perks in levels.items():
        Tier.objects.filter(merchant=merchant, tier_set__status="live", name=name).update(perks=perks)
    programs.publish(program=merchant.programs.get(), at=NOON.replace(year=2025, month=2), by="test")
    merchant.refresh_from_db()


def buy(customer, euros, reference="S-1", at=NOON):
    """The customer buys for so many euros: as many points. What listens has listened."""
    sale = Sale(reference, "EUR", euros * 100, at, customer_id=customer.pk)
    purchases.record(merchant=customer.merchant, sale=sale, at=at)
    relay(at)


def give_back(merchant, euros=None, purchase="S-1", at=NOON, reference="F-1"):
    minor = None if euros is None else euros * 100
    refunds.record(merchant=merchant, refund=Return(reference, at, None, purchase, minor), at=at)
    relay(at)


def relay(at=NOON):
    while journey.relay(at=at):
        pass


def tell(listener, touchpoints, at=NOON):
    """Tell a listener again, in a transaction of its own, as the relay does."""
    db.command(lambda: listener(list(touchpoints), at))()


def points(customer, at=NOON):
    said = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)
    return said["active"], said["pending"]
