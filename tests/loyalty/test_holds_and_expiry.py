"""What a hold keeps does not expire before it ends; what is taken back in any case ends holds."""

from datetime import timedelta

import pytest

from loyalty import balances, expiry, holds, programs, purchases, refunds
from loyalty.calendar import Expiry
from loyalty.holds import HoldExpired
from loyalty.models.ledger import Account, Entry, Hold
from loyalty.refunds import Return
from tests.loyalty.holding import give, hold, proved, stands

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def brief(cafe, program, noon):
    """The café's points expire after a month."""
    program.expiry_mode, program.expiry_months = "age", 1
    program.save()
    programs.publish(program=program, at=noon - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    return Expiry("age", 1).ends(noon, zone=cafe.zone)


def test_held_points_do_not_expire_until_the_hold_ends(cafe, ana, brief, noon):
    give(ana, 100, noon, "A-1")
    before = brief - timedelta(minutes=10)
    made = hold(ana, 60, before)

    assert stands(ana, brief) == (60, 60, 0)
    expiry.run(at=brief)
    assert stands(ana, brief) == (60, 60, 0)
    assert Account.objects.get(held=60).next_due_at == made.hold.expires_at
    found = balances.balance(merchant=cafe, customer_id=ana.pk, at=brief)
    assert found["expiring"] == [{"points": 60, "at": made.hold.expires_at}]

    assert stands(ana, made.hold.expires_at) == (0, 0, 0)
    expiry.run(at=made.hold.expires_at)
    assert stands(ana, made.hold.expires_at) == (0, 0, 0)
    ended = Entry.objects.filter(kind="expire").order_by("sequence").values_list("points", "occurred_at")
    assert list(ended) == [(-40, brief), (-60, made.hold.expires_at)]
    assert proved(cafe)


def test_they_are_captured_beyond_their_expiry(cafe, ana, brief, noon):
    give(ana, 100, noon, "A-1")
    made = hold(ana, 60, brief - timedelta(minutes=10))

    holds.capture(merchant=cafe, hold_id=made.hold.id, points=50, at=brief)

    assert stands(ana, brief) == (0, 0, 0)
    assert proved(cafe)


def test_they_expire_when_the_hold_is_cancelled(cafe, ana, brief, noon):
    give(ana, 100, noon, "A-1")
    made = hold(ana, 60, brief - timedelta(minutes=10))

    receipt = holds.cancel(merchant=cafe, hold_id=made.hold.id, at=brief)

    assert receipt.balance["active"] == 0
    assert proved(cafe)


def test_a_hold_keeps_the_points_it_would_use(cafe, ana, brief, noon):
    give(ana, 50, noon, "A-1")
    give(ana, 100, noon + timedelta(days=10), "A-2")
    made = hold(ana, 50, brief - timedelta(minutes=10))

    assert stands(ana, brief) == (150, 50, 100)
    # Others never use what only a hold keeps from expiring.
    give(ana, -100, brief, "A-3")
    assert stands(ana, brief) == (50, 50, 0)
    assert stands(ana, made.hold.expires_at) == (0, 0, 0)
    assert proved(cafe)


def test_a_lot_behind_a_held_one_still_activates_and_expires(cafe, program, ana, brief, sale, noon):
    give(ana, 50, noon, "A-1")
    rule = program.rules.get()
    rule.params |= {"pending_days": 29}
    rule.save()
    programs.publish(program=program, at=noon, by="test")
    cafe.refresh_from_db()
    purchases.record(
        merchant=cafe, sale=sale(2000, occurred_at=brief - timedelta(days=2)), at=brief - timedelta(days=2)
    )
    hold(ana, 50, brief - timedelta(days=1), ttl_seconds=7 * 24 * 3600)
    holds.extend(merchant=cafe, hold_id=Hold.objects.get().pk, at=brief, ttl_seconds=7 * 24 * 3600)

    assert stands(ana, brief + timedelta(days=5)) == (50, 50, 0)
    assert stands(ana, brief + timedelta(days=27)) == (20, 0, 20)
    assert proved(cafe)


# What takes points anyway ---------------------------------------------------------------------------


def test_a_refund_that_takes_held_points_ends_the_newest_hold(cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(100_00, reference="R-1"), at=noon)
    old, new = hold(ana, 40, noon, "H-1"), hold(ana, 50, noon + timedelta(seconds=1), "H-2")

    refunds.record(
        merchant=cafe, refund=Return("F-1", noon, purchase_reference="R-1", amount_minor=30_00), at=noon
    )

    assert stands(ana, noon) == (70, 40, 30)
    assert {one.pk: one.status for one in Hold.objects.all()} == {
        old.hold.id: "active",
        new.hold.id: "expired",
    }
    with pytest.raises(HoldExpired):
        holds.capture(merchant=cafe, hold_id=new.hold.id, at=noon)
    assert holds.capture(merchant=cafe, hold_id=new.hold.id, points=30, at=noon).hold.captured == 30
    assert proved(cafe)


def test_debt_leaves_no_hold(cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(100_00, reference="R-1"), at=noon)
    made = hold(ana, 50, noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)
    hold(ana, 50, noon, "H-2")

    refunds.record(merchant=cafe, refund=Return("F-1", noon, purchase_reference="R-1"), at=noon)

    found = balances.balance(merchant=cafe, customer_id=ana.pk, at=noon)
    assert (found["active"], found["held"], found["debt"]) == (0, 0, 50)
    assert proved(cafe)
