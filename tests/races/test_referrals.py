"""Two tills, one friend; two workers, one purchase. Each race has a twin without the lock."""

import time

import pytest
from django.db import IntegrityError, connection

from customers import journey
from customers import referrals as claims
from customers.identifiers import Given
from customers.models import Referral
from customers.referrals import AlreadyReferred, Claim
from loyalty import ledger, members, purchases, referrals, refunds
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON
from tests.loyalty.bringing import offer

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
needs_rows_locks = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time: there is no race to lose"
)


@pytest.fixture
def people(cafe, ana):
    """Ana and Eva, who both say they brought Rui."""
    offer(cafe)
    return [
        ana,
        *(
            members.enroll(merchant=cafe, identifiers=[Given("card", card)], at=NOON, by="test")
            for card in ("77", "42")
        ),
    ]


def both_claim(people, at_once):
    ana, eva, rui = people
    codes = [ana.referral_code, eva.referral_code]
    return at_once(2, lambda n: referrals.claim(friend=rui, claim=Claim(codes[n]), at=NOON, by="till"))


def test_two_codes_for_one_friend_at_once_are_one_and_a_refusal(people, at_once):
    said = both_claim(people, at_once)

    assert sorted(type(one).__name__ for one in said) == ["AlreadyReferred", "tuple"], said
    assert Referral.objects.count() == 1


@needs_rows_locks
def test_without_the_lock_only_the_constraint_is_left(people, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, both tills believe they are the first."""
    monkeypatch.setattr("django.db.models.query.QuerySet.select_for_update", lambda rows, **_: rows)
    check = claims.check

    def slowly(**told):
        time.sleep(0.3)
        check(**told)

    monkeypatch.setattr(claims, "check", slowly)
    said = both_claim(people, at_once)

    assert not any(isinstance(one, AlreadyReferred) for one in said)
    assert sum(isinstance(one, IntegrityError) for one in said) == 1, said


def bought(people):
    ana, _, rui = people
    referrals.claim(friend=rui, claim=Claim(ana.referral_code), at=NOON, by="till")
    sale = Sale("S-1", "EUR", 1500, NOON, customer_id=rui.pk)
    purchases.record(merchant=rui.merchant, sale=sale, at=NOON)


def test_the_listener_and_the_sweep_at_once_pay_once(cafe, people, at_once):
    bought(people)

    said = at_once(4, lambda n: journey.relay(at=NOON) if n % 2 else referrals.run(at=NOON))

    assert not any(isinstance(one, Exception) for one in said), said
    assert ledger.totals(merchant_id=cafe.pk)["pending"] == 300
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_locks_only_the_reference_is_left(cafe, people, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, two sweeps find the same open referral."""
    bought(people)
    monkeypatch.setattr("django.db.models.query.QuerySet.select_for_update", lambda rows, **_: rows)
    monkeypatch.setattr("lib.db.for_update", lambda alias, **_: "")
    locked, tries = referrals._locked, []

    def slowly(rows):
        found = locked(rows)
        tries.append([one.state for one in found])
        time.sleep(0.3)
        return found

    monkeypatch.setattr(referrals, "_locked", slowly)
    at_once(2, lambda n: referrals.run(at=NOON))

    assert tries[:2] == [["joined"], ["joined"]]
    assert ledger.totals(merchant_id=cafe.pk)["pending"] == 300


def test_a_refund_during_the_qualification_leaves_nothing(cafe, people, at_once):
    bought(people)

    def act(n):
        if n:
            return refunds.record(merchant=cafe, refund=Return("F-1", NOON, None, "S-1"), at=NOON)
        return referrals.run(at=NOON)

    at_once(2, act)
    while journey.relay(at=NOON):
        pass

    assert Referral.objects.get().state in ("joined", "clawed_back")
    assert ledger.totals(merchant_id=cafe.pk)["pending"] == 0
    assert list(ledger.differences()) == []
