"""A refund and a cancellation of what paid for the sale, at once. The twin shows what the lock is for."""

from itertools import count
from threading import Barrier

import pytest
from django.db import IntegrityError

from loyalty import ledger, purchases, refunds
from loyalty.ledger import rows
from loyalty.refunds import Return
from loyalty.sale import Sale, Tender
from rewards import redemptions, vouchers
from rewards.models import Redemption, Voucher, VoucherUse
from tests.cast import NOON
from tests.races.test_merges import needs_rows_locks
from tests.rewards.conftest import fill, put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def redeemed(cafe, ana, program):
    """Ana's redemption of 100 of her 250 points, that paid for a sale which earned 6."""
    fill(ana, 250)
    made = redemptions.redeem(customer=ana, reward=put_up(program), reference="X-1", at=NOON).redemption
    return sold(cafe, ana, made, Tender("points", 600, made.public_id))


def sold(cafe, ana, made, tender):
    tenders = (tender, Tender("card", 600))
    sale = Sale("R-1", "EUR", 1200, NOON, customer_id=ana.pk, tenders=tenders)
    purchases.record(merchant=cafe, sale=sale, at=NOON)
    return Redemption.objects.select_related("reward").get(pk=made.pk)


def refund(cafe, reference="F-1"):
    return refunds.record(merchant=cafe, refund=Return(reference, NOON, purchase_reference="R-1"), at=NOON)


def cancel_or_refund(cafe, redemption):
    def act(n):
        if n % 2:
            return redemptions.cancel(redemption=Redemption.objects.get(pk=redemption.pk), at=NOON)
        return refund(cafe)

    return act


def active(cafe):
    return ledger.totals(merchant_id=cafe.pk)["active"]


def test_points_come_back_once(cafe, redeemed, at_once):
    at_once(8, cancel_or_refund(cafe, redeemed))

    assert active(cafe) == 250
    assert list(ledger.differences()) == []


@needs_rows_locks
def test_without_the_lock_both_would_give_them_back(cafe, redeemed, at_once, monkeypatch):
    """Proves that the test above can fail: unlocked, both read that nothing has come back, and write."""
    read, both, opened = rows.open_book, Barrier(2), count(1)

    def slowly(locked, *, at):
        book = read(locked, at=at)
        if next(opened) <= 2:
            both.wait(30)
        return book

    monkeypatch.setattr("lib.db.for_update", lambda alias, **_: "")
    monkeypatch.setattr(ledger, "open_book", slowly)
    monkeypatch.setattr(type(Redemption.objects.all()), "select_for_update", lambda found, **_: found)
    said = at_once(2, cancel_or_refund(cafe, redeemed))

    # Both had given the points back. Only the database's own numbering of entries refuses one: it fails, or
    # begins again where the number was that of a row.
    is_refused = any(isinstance(one, IntegrityError) for one in said)
    assert is_refused or next(opened) == 4, said


def test_a_voucher_is_given_back_once_by_the_till_or_the_refund(cafe, ana, program, at_once):
    fill(ana, 250)
    made = redemptions.redeem(customer=ana, reward=put_up(program), reference="X-1", at=NOON)
    said = {"merchant": cafe, "code": made.code, "reference": "U-1", "at": NOON, "by": "till"}
    vouchers.redeem(purchase_reference="R-1", **said)
    sold(cafe, ana, made.redemption, Tender("voucher", 600, made.code))

    at_once(8, lambda n: vouchers.rollback(**said) if n % 2 else refund(cafe))

    assert (Voucher.objects.get().used, Voucher.objects.get().status) == (0, "issued")
    assert VoucherUse.objects.count() == 2
