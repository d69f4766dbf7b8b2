"""A refund that was faster than its purchase waits, and is applied once."""

import pytest

from loyalty import ledger, parking, purchases, refunds
from loyalty.models import Reference, Refund
from loyalty.refunds import Return

pytestmark = pytest.mark.core


def test_a_refund_before_its_purchase_is_applied_with_it(cafe, ana, sale, noon):
    refund = Return("F-1", noon, purchase_reference="R-1", amount_minor=500)

    parked = refunds.record(merchant=cafe, refund=refund, at=noon)
    bought = purchases.record(merchant=cafe, sale=sale(1000, reference="R-1"), at=noon)

    assert parked.status == "parked"
    assert bought.balance["active"] == 5
    assert Refund.objects.get().status == "applied"
    assert refunds.record(merchant=cafe, refund=refund, at=noon).clawed_back == 5
    assert list(ledger.differences()) == []


def test_the_sweep_joins_a_refund_and_a_purchase_that_crossed(cafe, ana, sale, noon):
    refunds.record(merchant=cafe, refund=Return("F-1", noon, purchase_reference="R-1"), at=noon)
    # What a purchase in another transaction saw: no refund yet.
    Reference.objects.filter(kind="parked").delete()
    purchases.record(merchant=cafe, sale=sale(1000, reference="R-1"), at=noon)
    assert Refund.objects.get().status == "parked"

    assert parking.unpark_everybody(at=noon) == 1
    assert parking.unpark_everybody(at=noon) == 0
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 0
    assert list(ledger.differences()) == []
