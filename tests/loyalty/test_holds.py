"""Points set aside for a checkout: nobody else can use them, and nothing of them is lost or used twice."""

from datetime import timedelta

import pytest

from customers import people
from customers.identifiers import Given
from customers.models import Touchpoint
from lib import db
from lib.errors import NotFound, ReferenceReused
from loyalty import adjustments, desk, expiry, holds, ledger, members, purchases
from loyalty.holds import CaptureExceedsHold, HoldCancelled, HoldCaptured, HoldExpired
from loyalty.ledger import AccountInDebt, NotEnoughPoints
from loyalty.models.ledger import Account, Entry, Hold
from tests.loyalty.holding import give, hold, proved, stands

pytestmark = [pytest.mark.core, pytest.mark.django_db]

HALF_AN_HOUR = timedelta(minutes=30)


def test_held_points_are_there_and_cannot_be_spent(cafe, rich, noon):
    receipt = hold(rich, 60, noon)

    assert (receipt.status, receipt.hold.status, receipt.hold.points) == ("created", "active", 60)
    assert receipt.hold.expires_at == noon + HALF_AN_HOUR
    assert (receipt.balance["held"], receipt.balance["available"]) == (60, 40)
    assert stands(rich, noon) == (100, 60, 40)
    with pytest.raises(NotEnoughPoints):
        hold(rich, 41, noon, "H-2")
    with pytest.raises(NotEnoughPoints):
        give(rich, -41, noon, "A-2")
    assert proved(cafe)


def test_who_owes_points_holds_none(cafe, ana, noon):
    adjustments.adjust(
        customer=ana, points=-5, reason="x", reference="A-1", by="test", at=noon, allow_negative=True
    )

    with pytest.raises(AccountInDebt):
        hold(ana, 1, noon)


def test_a_blocked_customer_holds_none(cafe, rich, noon):
    people.block(customer=rich, at=noon, by="test", reason="fraud")

    with pytest.raises(purchases.CustomerBlocked):
        hold(rich, 1, noon)


@pytest.mark.parametrize("ttl", [0, 7 * 24 * 3600 + 1])
def test_a_life_beyond_seven_days_or_of_nothing_is_refused(cafe, rich, noon, ttl):
    with pytest.raises(holds.LifeOutOfRange):
        hold(rich, 1, noon, ttl_seconds=ttl)


# Capture --------------------------------------------------------------------------------------------


def test_capturing_all_uses_the_points(cafe, rich, noon):
    made = hold(rich, 60, noon)

    receipt = holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)

    assert (receipt.hold.status, receipt.hold.captured) == ("captured", 60)
    assert stands(rich, noon) == (40, 0, 40)
    entry = Entry.objects.get(kind="hold_capture")
    assert (entry.points, entry.reference, entry.pk) == (-60, "H-1", receipt.hold.entry_id)
    assert proved(cafe)


def test_capturing_a_part_frees_the_rest(cafe, rich, noon):
    made = hold(rich, 60, noon)

    holds.capture(merchant=cafe, hold_id=made.hold.id, points=25, at=noon)

    assert stands(rich, noon) == (75, 0, 75)
    assert proved(cafe)


def test_more_than_is_held_is_not_captured(cafe, rich, noon):
    made = hold(rich, 60, noon)

    with pytest.raises(CaptureExceedsHold):
        holds.capture(merchant=cafe, hold_id=made.hold.id, points=61, at=noon)
    assert stands(rich, noon) == (100, 60, 40)


def test_a_capture_that_names_its_purchase_is_found_there(cafe, rich, sale, noon):
    bought = purchases.record(merchant=cafe, sale=sale(1000, reference="R-1"), at=noon)
    made = hold(rich, 60, noon)

    holds.capture(merchant=cafe, hold_id=made.hold.id, purchase_reference="R-1", at=noon)

    assert Entry.objects.get(kind="hold_capture").purchase_id == bought.purchase_id


# The end of a hold ----------------------------------------------------------------------------------


def test_a_hold_past_its_end_is_free_before_any_job_has_run(cafe, rich, noon):
    made = hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR

    assert stands(rich, later) == (100, 0, 100)
    assert holds.read(merchant=cafe, hold_id=made.hold.id, at=later)["status"] == "expired"
    assert Hold.objects.get().status == "active"
    give(rich, -100, later, "A-2")
    assert Hold.objects.get().status == "expired"
    assert proved(cafe)


def test_the_sweep_closes_it_and_notes_it(cafe, rich, noon):
    hold(rich, 60, noon)
    account = Account.objects.get(held=60)
    assert account.next_due_at == noon + HALF_AN_HOUR

    assert expiry.run(at=noon + HALF_AN_HOUR) == 1

    account.refresh_from_db()
    assert (account.held, account.next_due_at) == (0, None)
    assert Hold.objects.get().status == "expired"
    assert Touchpoint.objects.get(kind="hold.expired").data["points"] == 60
    assert expiry.run(at=noon + HALF_AN_HOUR) == 0


def test_whoever_settles_first_notes_the_end_once(cafe, rich, sale, noon):
    hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR

    purchases.record(merchant=cafe, sale=sale(1000), at=later)
    expiry.run(at=later)

    assert Touchpoint.objects.filter(kind="hold.expired").count() == 1


def test_a_late_capture_works_while_the_points_are_there(cafe, rich, noon):
    made = hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR

    receipt = holds.capture(merchant=cafe, hold_id=made.hold.id, at=later)

    assert (receipt.hold.status, receipt.hold.captured) == ("captured", 60)
    assert stands(rich, later) == (40, 0, 40)
    assert proved(cafe)


@pytest.mark.parametrize("swept", [False, True])
def test_a_late_capture_of_points_that_are_gone_is_refused(cafe, rich, noon, swept):
    made = hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR
    if swept:
        expiry.run(at=later)
    give(rich, -50, later, "A-2")

    with pytest.raises(HoldExpired):
        holds.capture(merchant=cafe, hold_id=made.hold.id, at=later)
    with pytest.raises(HoldExpired):
        holds.extend(merchant=cafe, hold_id=made.hold.id, at=later)
    assert stands(rich, later) == (50, 0, 50)


def test_cancel_frees_the_points(cafe, rich, noon):
    made = hold(rich, 60, noon)

    holds.cancel(merchant=cafe, hold_id=made.hold.id, at=noon)

    assert stands(rich, noon) == (100, 0, 100)
    assert proved(cafe)


def test_a_cancelled_hold_cannot_be_used_also_when_it_had_expired(cafe, rich, noon):
    made = hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR
    holds.cancel(merchant=cafe, hold_id=made.hold.id, at=later)

    with pytest.raises(HoldCancelled):
        holds.capture(merchant=cafe, hold_id=made.hold.id, at=later)
    with pytest.raises(HoldCancelled):
        holds.extend(merchant=cafe, hold_id=made.hold.id, at=later)


def test_a_captured_hold_is_final(cafe, rich, noon):
    made = hold(rich, 60, noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)

    with pytest.raises(HoldCaptured):
        holds.cancel(merchant=cafe, hold_id=made.hold.id, at=noon)
    with pytest.raises(HoldCaptured):
        holds.extend(merchant=cafe, hold_id=made.hold.id, at=noon)


def test_extending_moves_the_end_and_never_brings_it_nearer(cafe, rich, noon):
    made = hold(rich, 60, noon)

    longer = holds.extend(merchant=cafe, hold_id=made.hold.id, ttl_seconds=7200, at=noon)
    shorter = holds.extend(merchant=cafe, hold_id=made.hold.id, ttl_seconds=60, at=noon)

    assert longer.hold.expires_at == shorter.hold.expires_at == noon + timedelta(hours=2)
    assert stands(rich, noon + HALF_AN_HOUR) == (100, 60, 40)
    assert Account.objects.get(held=60).next_due_at == noon + timedelta(hours=2)


def test_no_hold_outlives_seven_days(cafe, rich, noon):
    made = hold(rich, 60, noon, ttl_seconds=7 * 24 * 3600)
    last = noon + timedelta(days=7)

    receipt = holds.extend(merchant=cafe, hold_id=made.hold.id, at=last - timedelta(seconds=1))

    assert receipt.hold.expires_at == last
    with pytest.raises(HoldExpired):
        holds.extend(merchant=cafe, hold_id=made.hold.id, at=last)


def test_an_ended_hold_is_extended_while_its_points_are_there(cafe, rich, noon):
    made = hold(rich, 60, noon)
    later = noon + HALF_AN_HOUR
    expiry.run(at=later)

    receipt = holds.extend(merchant=cafe, hold_id=made.hold.id, at=later)

    assert (receipt.hold.status, receipt.hold.expires_at) == ("active", later + HALF_AN_HOUR)
    assert stands(rich, later) == (100, 60, 40)
    assert proved(cafe)


# Told twice -----------------------------------------------------------------------------------------


def test_holding_told_twice_is_done_once(cafe, rich, noon):
    first, again = hold(rich, 60, noon), hold(rich, 60, noon + timedelta(minutes=1))

    assert (first.status, again.status) == ("created", "replayed")
    assert (again.hold.id, again.hold.expires_at) == (first.hold.id, noon + HALF_AN_HOUR)
    assert stands(rich, noon) == (100, 60, 40)


def test_capturing_told_twice_is_done_once(cafe, rich, noon):
    made = hold(rich, 60, noon)
    for points in (25, 25, None):
        receipt = holds.capture(merchant=cafe, hold_id=made.hold.id, points=points, at=noon)
        assert receipt.hold.captured == 25

    assert stands(rich, noon) == (75, 0, 75)
    with pytest.raises(HoldCaptured) as refusal:
        holds.capture(merchant=cafe, hold_id=made.hold.id, points=26, at=noon)
    assert [fault.pointer for fault in refusal.value.faults] == ["/points"]


def test_cancelling_told_twice_is_done_once(cafe, rich, noon):
    made = hold(rich, 60, noon)

    said = [holds.cancel(merchant=cafe, hold_id=made.hold.id, at=noon).status for _ in range(2)]

    assert said == ["changed", "replayed"]
    assert stands(rich, noon) == (100, 0, 100)
    assert Touchpoint.objects.filter(kind="hold.cancelled").count() == 1


def test_extending_told_twice_is_done_once(cafe, rich, noon):
    made = hold(rich, 60, noon)

    said = [holds.extend(merchant=cafe, hold_id=made.hold.id, ttl_seconds=7200, at=noon) for _ in range(2)]

    assert [receipt.status for receipt in said] == ["changed", "replayed"]
    assert said[0].hold.expires_at == said[1].hold.expires_at


def test_the_same_reference_replaces_a_live_hold(cafe, rich, noon):
    first = hold(rich, 60, noon)
    later = noon + timedelta(minutes=10)

    again = hold(rich, 80, later)

    assert (again.status, again.hold.id) == ("replaced", first.hold.id)
    assert again.hold.expires_at == later + HALF_AN_HOUR
    assert stands(rich, later) == (100, 80, 20)
    assert proved(cafe)


def test_what_is_not_there_does_not_replace_a_hold(cafe, rich, noon):
    hold(rich, 60, noon)

    with pytest.raises(NotEnoughPoints):
        hold(rich, 101, noon)
    assert stands(rich, noon) == (100, 60, 40)


def test_the_wrong_card_scanned_first_is_put_right(cafe, rich, noon):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    give(eva, 50, noon, "A-9")
    hold(rich, 50, noon)

    receipt = hold(eva, 50, noon)

    assert (receipt.status, receipt.customer_id) == ("replaced", eva.pk)
    assert (stands(rich, noon), stands(eva, noon)) == ((100, 0, 100), (50, 50, 0))
    assert proved(cafe)


@pytest.mark.parametrize("verb", [holds.capture, holds.cancel])
def test_a_used_reference_is_not_used_again(cafe, rich, noon, verb):
    made = hold(rich, 60, noon)
    verb(merchant=cafe, hold_id=made.hold.id, at=noon)
    before = stands(rich, noon)

    assert hold(rich, 60, noon).status == "replayed"
    with pytest.raises(ReferenceReused) as refusal:
        hold(rich, 40, noon)
    assert [fault.pointer for fault in refusal.value.faults] == ["/points"]
    assert stands(rich, noon) == before


def test_a_reference_whose_hold_expired_holds_again(cafe, rich, noon):
    first = hold(rich, 60, noon)

    again = hold(rich, 60, noon + HALF_AN_HOUR)

    assert (again.status, again.hold.id, again.hold.status) == ("replaced", first.hold.id, "active")
    assert stands(rich, noon + HALF_AN_HOUR) == (100, 60, 40)


# The proof ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: Hold.objects.filter(status="active").update(points=61), "held points is 60"),
        (lambda: Hold.objects.filter(status="captured").update(captured=9), "captured 9, its entry says 10"),
        (lambda: Hold.objects.filter(status="captured").update(entry_id=None), "its entry is missing"),
        (lambda: Hold.objects.filter(status="captured").delete(), "captures no hold"),
    ],
)
def test_the_proof_sees_a_hold_that_was_changed(cafe, rich, noon, change, said):
    hold(rich, 60, noon)
    made = hold(rich, 20, noon, "H-2")
    holds.capture(merchant=cafe, hold_id=made.hold.id, points=10, at=noon)
    assert proved(cafe)

    change()

    assert any(said in one for one in ledger.differences(merchant_id=cafe.pk))


# All or nothing, and whose --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb",
    [
        lambda cafe, ana, number, at: hold(ana, 70, at),
        lambda cafe, ana, number, at: holds.capture(merchant=cafe, hold_id=number, at=at),
        lambda cafe, ana, number, at: holds.cancel(merchant=cafe, hold_id=number, at=at),
        lambda cafe, ana, number, at: holds.extend(merchant=cafe, hold_id=number, ttl_seconds=7200, at=at),
    ],
    ids=["create", "capture", "cancel", "extend"],
)
def test_a_command_that_dies_leaves_nothing(cafe, rich, noon, monkeypatch, verb):
    made = hold(rich, 60, noon)
    before = (stands(rich, noon), Hold.objects.get().expires_at, Touchpoint.objects.count())
    write = desk.write

    def dies(work, **more):
        write(work, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(desk, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        verb(cafe, rich, made.hold.id, noon)

    assert (stands(rich, noon), Hold.objects.get().expires_at, Touchpoint.objects.count()) == before
    assert proved(cafe)


@pytest.mark.parametrize("verb", [holds.capture, holds.cancel, holds.extend, holds.read])
def test_anothers_hold_does_not_exist(cafe, bar_nilo, rich, noon, verb):
    made = hold(rich, 60, noon)

    with pytest.raises(NotFound):
        verb(merchant=bar_nilo, hold_id=made.hold.id, at=noon)


def test_who_holds_nothing_costs_no_statement(cafe, rich, sale, noon):
    def asked(reference):
        with db.watching() as watch:
            purchases.record(merchant=cafe, sale=sale(1000, reference=reference), at=noon)
        return watch

    asked("R-0")
    plain = asked("R-1")
    hold(rich, 60, noon)
    holding = asked("R-2")

    assert (holding.statements, holding.trips) == (plain.statements, plain.trips)
