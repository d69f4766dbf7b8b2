"""A sale whose customer was unknown is judged as it was told, once the customer is known."""

import pytest

from customers.identifiers import Given
from loyalty import matching, members, programs, purchases
from loyalty.models import EarningRule, Purchase
from loyalty.sale import Sale
from merchants.models import Store

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.mark.parametrize(("store", "points"), [("baixa", 35), ("alfama", 10)])
def test_a_rule_for_a_store_counts_also_for_a_sale_matched_later(cafe, program, noon, store, points):
    stores = {code: Store.objects.create(merchant=cafe, code=code, name=code) for code in ("baixa", "alfama")}
    EarningRule.objects.create(
        merchant=cafe,
        program=program,
        code="opening",
        kind="fixed_bonus",
        params={"points": 25, "stores": ["baixa"]},
    )
    programs.publish(program=program, at=noon.replace(year=2025, month=6), by="test")
    said = Sale(
        "S-1", "EUR", 1000, noon, identifier=Given("card", "777"), store_id=stores[store].pk, store=store
    )
    purchases.record(merchant=cafe, sale=said, at=noon)
    eve = members.enroll(merchant=cafe, identifiers=[Given("card", "777")], at=noon, by="till")

    matching.match_everybody(at=noon)

    row = Purchase.objects.get()
    assert (row.customer, row.points_earned) == (eve, points)
