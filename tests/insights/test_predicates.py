"""Segments by what is expected of customers: their lifecycle, their value, the risk of losing them."""

import pytest

from customers import segments
from customers.identifiers import Given
from insights import snapshots
from insights.models import Band, ClvRun, ClvScore, Lifecycle
from loyalty import customer_days, members, purchases

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def rui(cafe, noon):
    """A member who never bought."""
    return members.enroll(merchant=cafe, identifiers=[Given("card", "4000000002")], at=noon, by="test")


@pytest.fixture
def scored(cafe, ana, rui, sale, noon):
    """Ana's score, as it would be in a shop with forecasts."""
    purchases.record(merchant=cafe, sale=sale(1000), at=noon)
    for _done in customer_days.rebuild(merchant=cafe, at=noon):
        pass
    snapshots.refresh(merchant=cafe, at=noon)
    ClvRun.objects.filter(merchant=cafe).update(status="forecast")
    rows = ClvScore.objects.filter(merchant_id=cafe.pk, customer_id=ana.pk)
    rows.update(lifecycle=Lifecycle.AT_RISK, band=Band.TOP, at_risk=0.7)
    return rows


def inside(cafe, noon, **rule):
    return {one.pk for one in segments.preview(merchant=cafe, rule={"all": [rule]}, at=noon).examples}


@pytest.mark.parametrize(
    ("rule", "has_ana", "has_rui"),
    [
        ({"kind": "computed_lifecycle", "lifecycles": ["at_risk"]}, True, False),
        ({"kind": "computed_lifecycle", "lifecycles": ["prospect"]}, False, True),
        ({"kind": "computed_lifecycle", "lifecycles": ["prospect", "at_risk"]}, True, True),
        ({"kind": "computed_lifecycle", "lifecycles": ["new", "active"]}, False, False),
        ({"kind": "clv_band", "bands": ["top", "high"]}, True, False),
        ({"kind": "clv_band", "bands": ["low"]}, False, False),
        ({"kind": "at_risk"}, True, False),
        ({"kind": "at_risk", "min": 71}, False, False),
        ({"kind": "at_risk", "max": 69}, False, False),
    ],
)
def test_a_condition_finds_whom_it_describes(scored, cafe, ana, rui, noon, rule, has_ana, has_rui):
    found = inside(cafe, noon, **rule)

    assert (ana.pk in found, rui.pk in found) == (has_ana, has_rui)


def test_without_a_forecast_nobody_is_at_risk(scored, cafe, noon):
    ClvRun.objects.filter(merchant=cafe).update(status="history_only")

    assert inside(cafe, noon, kind="at_risk") == set()


def test_the_outsiders_scores_find_nobody_here(scored, bar_nilo, bo, noon):
    assert inside(bar_nilo, noon, kind="at_risk") == set()
