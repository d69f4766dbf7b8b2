"""Two tills that hold, use and free the same points at once. The twin shows what the lock is for."""

import time

import pytest
from django.db import connection

from customers.identifiers import Given
from loyalty import adjustments, expiry, holds, ledger, members
from loyalty.holds import HoldCancelled, HoldCaptured, HoldReceipt
from loyalty.ledger import NotEnoughPoints, rows
from loyalty.models.ledger import Entry, Hold
from tests.cast import NOON

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
needs_rows_locks = pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has one writer at a time: there is no race to lose"
)


@pytest.fixture
def rich(cafe, ana):
    """Ana has 50 points."""
    give(ana, "A-1")
    return ana


def give(customer, reference):
    adjustments.adjust(customer=customer, points=50, reason="gift", reference=reference, by="test", at=NOON)


def hold(customer, reference, points=50, **more):
    return holds.create(customer=customer, points=points, reference=reference, at=NOON, **more)


def test_the_last_points_are_held_once(cafe, rich, at_once):
    said = at_once(8, lambda n: hold(rich, f"H-{n}"))

    assert sum(isinstance(answer, NotEnoughPoints) for answer in said) == 7
    assert ledger.totals(merchant_id=cafe.pk)["held"] == 50
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_lock_both_are_told_that_they_hold_them(cafe, rich, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, two tills hold the same points."""
    read = rows.open_book

    def slowly(locked, *, at):
        book = read(locked, at=at)
        time.sleep(0.3)
        return book

    monkeypatch.setattr("lib.db.for_update", lambda alias, **_: "")
    monkeypatch.setattr(ledger, "open_book", slowly)
    said = at_once(2, lambda n: hold(rich, f"H-{n}"))

    assert all(isinstance(answer, HoldReceipt) for answer in said), said
    assert sum(Hold.objects.values_list("points", flat=True)) == 100
    assert any("held points is 50, the live holds say 100" in one for one in ledger.differences())
    assert connection.vendor == "postgresql"


def test_one_reference_from_eight_tills_is_one_hold(cafe, rich, at_once):
    said = at_once(8, lambda n: hold(rich, "H-1", 10).status)

    assert sorted(said) == ["created"] + ["replayed"] * 7
    assert ledger.totals(merchant_id=cafe.pk)["held"] == 10


def test_one_reference_for_two_customers_ends_with_one_of_them(cafe, rich, at_once):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=NOON, by="test")
    give(eva, "A-2")

    said = at_once(6, lambda n: hold((rich, eva)[n % 2], "H-1", 10).status)

    assert set(said) <= {"created", "replaced", "replayed"}, said
    assert said.count("created") == 1
    assert Hold.objects.count() == 1
    assert ledger.totals(merchant_id=cafe.pk)["held"] == 10
    assert list(ledger.differences()) == []


def test_a_hold_is_captured_or_cancelled_never_both(cafe, rich, at_once):
    number = hold(rich, "H-1").hold.id
    verbs = (holds.capture, holds.cancel)

    said = at_once(8, lambda n: verbs[n % 2](merchant=cafe, hold_id=number, at=NOON))

    assert sum(isinstance(answer, HoldReceipt) for answer in said) == 4, said
    assert sum(isinstance(answer, HoldCaptured | HoldCancelled) for answer in said) == 4
    assert Entry.objects.filter(kind="hold_capture").count() == (Hold.objects.get().status == "captured")
    assert list(ledger.differences()) == []


def test_the_sweep_and_a_late_capture_agree(cafe, rich, at_once):
    number = hold(rich, "H-1").hold.id
    later = NOON.replace(hour=13)

    def act(n):
        if n % 2:
            return expiry.run(at=later)
        return holds.capture(merchant=cafe, hold_id=number, at=later).hold.captured

    said = at_once(4, act)

    assert (said[0], said[2]) == (50, 50)
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 0
    assert list(ledger.differences()) == []
