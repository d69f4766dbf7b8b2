from datetime import timedelta

import pytest

from lib import db
from loyalty import purchases
from loyalty.models.ledger import Account, Entry

pytestmark = pytest.mark.core


def account(customer):
    return Account.objects.get(membership__customer=customer)


def test_record_awards_whole_points_and_rounds_down(cafe, ana, sale, noon):
    receipt = purchases.record(merchant=cafe, sale=sale(1299), at=noon)

    assert receipt.status == "created"
    assert receipt.balance["active"] == 12
    assert account(ana).active == 12


def test_record_lifts_the_tier_and_notes_it(cafe, ana, sale, noon):
    receipt = purchases.record(merchant=cafe, sale=sale(600_00), at=noon)

    assert receipt.tier == "Silver"
    assert receipt.balance["tier"]["next"] == "Gold"
    assert receipt.balance["tier"]["to_next"] == 1400
    kinds = [touchpoint.kind for touchpoint in ana.touchpoints.order_by("id")]
    assert kinds[-2:] == ["purchase.recorded", "tier.changed"]


def test_record_told_twice_awards_once(cafe, ana, sale, noon):
    same = sale(5000)
    first = purchases.record(merchant=cafe, sale=same, at=noon)
    again = purchases.record(merchant=cafe, sale=same, at=noon + timedelta(hours=1))

    assert (first.status, again.status) == ("created", "replayed")
    assert again.purchase_id == first.purchase_id
    assert account(ana).active == 50


def test_record_refuses_a_reference_of_another_sale(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000, reference="R-1"), at=noon)

    with pytest.raises(purchases.ReferenceReused) as refused:
        purchases.record(merchant=cafe, sale=sale(6000, reference="R-1"), at=noon)

    assert [fault.pointer for fault in refused.value.faults] == ["/amount_minor"]


def test_a_thousand_sales_are_told_like_one(cafe, ana, sale, noon):
    receipts = purchases.record_all(
        merchant=cafe, sales=[sale(100, reference=f"B-{n}") for n in range(1000)], at=noon
    )

    assert {receipt.status for receipt in receipts} == {"created"}
    # 500 at one point each, then Silver gives a quarter more, floored sale by sale.
    assert account(ana).active == 1000
    assert Entry.objects.filter(account=account(ana)).count() == 1000


def test_a_sale_takes_three_round_trips(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(100), at=noon)

    with db.watching() as watch:
        purchases.record(merchant=cafe, sale=sale(100), at=noon)

    assert db.is_postgres() is False or watch.trips <= 3, watch.texts
