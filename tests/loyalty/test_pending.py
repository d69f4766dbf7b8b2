"""Points that wait: for the end of the return window, or for a release."""

from datetime import timedelta

import pytest

from loyalty import adjustments, balances, expiry, ledger, programs, purchases, refunds, voids
from loyalty.refunds import Return

pytestmark = pytest.mark.core


@pytest.fixture
def patient(cafe, program, noon):
    """The café's points wait fourteen days."""
    change(cafe, program, noon, pending_days=14)
    return cafe


def change(cafe, program, noon, **params):
    rule = program.rules.get()
    rule.params |= params
    rule.save()
    programs.publish(program=program, at=noon - timedelta(days=1), by="test")
    cafe.refresh_from_db()


def test_points_wait_and_become_usable_on_their_day(patient, ana, sale, noon):
    bought = purchases.record(merchant=patient, sale=sale(1299), at=noon)

    assert (bought.balance["active"], bought.balance["pending"]) == (0, 12)
    later = balances.balance(merchant=patient, customer_id=ana.pk, at=noon + timedelta(days=14))
    assert (later["active"], later["pending"]) == (12, 0)
    expiry.run(at=noon + timedelta(days=14))
    kinds = [entry.kind for entry in ledger.entries(merchant_id=patient.pk).order_by("sequence")]
    assert kinds == ["earn", "activate"]
    assert list(ledger.differences()) == []


def test_a_refund_takes_waiting_points_first(patient, ana, sale, noon):
    purchases.record(merchant=patient, sale=sale(1000, reference="R-1"), at=noon)

    back = refunds.record(
        merchant=patient, refund=Return("F-1", noon, purchase_reference="R-1", amount_minor=500), at=noon
    )

    assert back.clawed_back == 5
    assert (back.balance["pending"], back.balance["debt"]) == (5, 0)
    assert list(ledger.differences()) == []


def test_activated_points_pay_a_debt_first(patient, ana, sale, noon):
    purchases.record(merchant=patient, sale=sale(1000, reference="R-1"), at=noon)
    adjustments.adjust(
        customer=ana, points=-4, reason="broken cup", reference="A-1", by="test", at=noon, allow_negative=True
    )

    later = balances.balance(merchant=patient, customer_id=ana.pk, at=noon + timedelta(days=15))

    assert (later["active"], later["debt"]) == (6, 0)


def test_points_that_wait_for_a_release_are_released_once(cafe, program, ana, sale, noon):
    change(cafe, program, noon, on_event=True)
    bought = purchases.record(merchant=cafe, sale=sale(1000), at=noon)
    assert bought.balance["pending"] == 10

    for _ in range(2):
        done = voids.release(merchant=cafe, purchase_id=bought.purchase_id, at=noon)

    assert (done.balance["active"], done.balance["pending"]) == (10, 0)
    assert list(ledger.differences()) == []


def test_a_void_leaves_nothing_of_a_waiting_sale(patient, ana, sale, noon):
    bought = purchases.record(merchant=patient, sale=sale(1000), at=noon)

    for _ in range(2):
        done = voids.void(merchant=patient, purchase_id=bought.purchase_id, reference="V-1", at=noon)

    assert (done.balance["active"], done.balance["pending"], done.balance["debt"]) == (0, 0, 0)
    assert list(ledger.differences()) == []
