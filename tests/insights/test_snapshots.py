"""Reports made anew: the published CDNOW figures from end to end, twice, at once, with few and with bad data."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from insights import churn, days, reports, scoring, snapshots
from insights.models import ClvRun, ClvScore, CohortMonth, Lifecycle, MerchantInsight, RetentionSnapshot
from insights.retention import Parts
from loyalty.models import RevenueDay
from tests.insights.shops import CDNOW_STARTS, fill, parts_in_memory, random_days

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]
AFTER_39_WEEKS = datetime(1997, 9, 30, 12, tzinfo=UTC)
END = datetime(1998, 6, 30, 12, tzinfo=UTC)


@pytest.fixture
def cdnow_shop(cafe, cdnow):
    fill(cafe, cdnow.who, cdnow.day, np.maximum(np.rint(cdnow.spent * 100), 1), starts=CDNOW_STARTS)
    return cafe


def test_cdnow_from_the_table_to_the_score(cdnow_shop, bar_nilo, summary):
    run = snapshots.refresh(merchant=cdnow_shop, at=AFTER_39_WEEKS)

    assert (run.status, run.customers) == ("forecast", 2357)
    read = days.buyers(merchant=cdnow_shop, until=date(1997, 9, 30), lapse_days=90)
    for name, wanted in (("x", summary.x), ("t_x", summary.t_x), ("T", summary.T), ("m", summary.m * 100)):
        assert np.allclose(read.arrays[name], wanted, rtol=1e-9), name
    assert run.fit["model"]["name"] == "mbg_nbd"
    rows = ClvScore.objects.filter(merchant_id=cdnow_shop.pk)
    assert rows.count() == 2357
    assert sum(rows.values_list("value_minor", flat=True)) == run.value_minor > 0
    assert not ClvScore.objects.filter(merchant_id=bar_nilo.pk).exists()
    watched = list(
        rows.filter(watch__gt=0).order_by("watch").values_list("watch", "at_stake_minor", "at_risk")
    )
    assert [place for place, _, _ in watched] == list(range(1, len(watched) + 1))
    assert all(0.5 <= risk <= 0.95 for _, _, risk in watched)
    assert all(one[1] >= other[1] for one, other in pairwise(watched))


def test_the_backtest_is_better_than_the_historic_average(cdnow_shop):
    run = snapshots.refresh(merchant=cdnow_shop, at=END)

    assert run.backtest["days"] == 181
    purchases = run.backtest["purchases"]
    assert abs(purchases["total_error"]) < 0.25
    assert purchases["gini"] > 0.5
    assert len(purchases["deciles"]) == 10


def test_told_twice_it_says_the_same(cdnow_shop):
    first = snapshots.refresh(merchant=cdnow_shop, at=END)
    scores = list(
        ClvScore.objects.order_by("customer_id").values_list("customer_id", "value_minor", "lifecycle")
    )
    second = snapshots.refresh(merchant=cdnow_shop, at=END)

    assert ClvRun.objects.filter(merchant=cdnow_shop).count() == 1
    assert second.fit == first.fit
    assert scores == list(
        ClvScore.objects.order_by("customer_id").values_list("customer_id", "value_minor", "lifecycle")
    )
    assert RetentionSnapshot.objects.filter(dimension="total").count() == 2


def test_parameters_are_kept_for_a_week(cdnow_shop):
    fits = [
        snapshots.refresh(merchant=cdnow_shop, at=END + timedelta(days=later)).fit["on"]
        for later in (0, 6, 7)
    ]

    assert fits == ["1998-06-30", "1998-06-30", "1998-07-07"]


def test_five_percent_more_buyers_are_fitted_anew(cdnow_shop):
    snapshots.refresh(merchant=cdnow_shop, at=END)
    fill(cdnow_shop, range(50_000, 50_200), [540] * 200, [1000] * 200, starts=CDNOW_STARTS)

    run = snapshots.refresh(merchant=cdnow_shop, at=END + timedelta(days=1))

    assert run.fit["on"] == "1998-07-01"


def test_two_at_once_are_one(cafe, noon):
    snapshots.refresh(merchant=cafe, at=noon)
    MerchantInsight.objects.filter(merchant=cafe).update(started_at=noon)

    with pytest.raises(snapshots.RefreshIsRunning):
        snapshots.refresh(merchant=cafe, at=noon + timedelta(minutes=14))
    assert snapshots.refresh_due(at=noon + timedelta(minutes=14), merchant=cafe) == 0
    snapshots.refresh(merchant=cafe, at=noon + timedelta(days=2))


def test_a_refresh_that_died_leaves_the_last_one(cdnow_shop, monkeypatch):
    run = snapshots.refresh(merchant=cdnow_shop, at=END)
    before = ClvScore.objects.count()
    monkeypatch.setattr(scoring, "_fifths", lambda worth: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        snapshots.refresh(merchant=cdnow_shop, at=END + timedelta(days=1))

    assert snapshots.latest(cdnow_shop) == run
    assert ClvScore.objects.count() == before
    assert MerchantInsight.objects.get(merchant=cdnow_shop).step == "failed"
    monkeypatch.undo()
    snapshots.refresh(merchant=cdnow_shop, at=END + timedelta(days=1))


def test_once_a_day_and_when_asked(cafe, bar_nilo, noon):
    assert snapshots.refresh_due(at=noon) == 2
    assert snapshots.refresh_due(at=noon) == 0
    snapshots.ask(merchant=cafe, at=noon + timedelta(hours=1))
    assert snapshots.refresh_due(at=noon + timedelta(hours=2)) == 1
    assert snapshots.refresh_due(at=noon + timedelta(hours=2)) == 0
    assert snapshots.refresh_due(at=noon + timedelta(days=1)) == 2


@pytest.mark.parametrize(("customers", "status"), [(0, "history_only"), (49, "history_only"), (80, "early")])
def test_few_customers(cafe, customers, status):
    who = np.repeat(np.arange(1, customers + 1), 3)
    day = np.tile([0, 40, 90], customers) + who
    fill(cafe, who, day, [1_000] * len(who), starts=date(2026, 1, 1))

    run = snapshots.refresh(merchant=cafe, at=datetime(2026, 8, 1, tzinfo=UTC))

    assert (run.status, run.customers) == (status, customers)
    assert run.historic_minor == 3_000 * customers
    assert (run.value_minor > 0) == (status == "early")


def test_other_currencies_and_bad_days_are_left_out_and_counted(cafe, noon):
    fill(cafe, [1, 2], [0, 0], [500, -500], starts=date(2026, 1, 1))
    fill(cafe, [1, 3], [5, 5], [999, 999], starts=date(2026, 1, 1), currency="USD")

    run = snapshots.refresh(merchant=cafe, at=noon)

    assert (run.customers, run.left_out, run.historic_minor) == (1, 2, 500)


def test_lifecycles(cafe):
    starts = date(2026, 1, 1)
    people = {1: [0], 2: [290], 3: [0, 280], 4: [200, 230, 280], 5: [0, 10]}
    for who, on in people.items():
        fill(cafe, [who] * len(on), on, [1_000] * len(on), starts=starts)

    snapshots.refresh(
        merchant=cafe, at=datetime.combine(starts, datetime.min.time(), UTC) + timedelta(days=300)
    )

    found = dict(ClvScore.objects.values_list("customer_id", "lifecycle"))
    assert found == {
        1: Lifecycle.LAPSED, 2: Lifecycle.NEW, 3: Lifecycle.WON_BACK, 4: Lifecycle.ACTIVE, 5: Lifecycle.LAPSED,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_database_splits_as_the_formula_does(cafe, seed):
    who, day, spent = random_days(seed)
    fill(cafe, who, day, spent, starts=date(2024, 1, 1))
    for length in (91, 365):
        ends_on = date(2024, 1, 1) + timedelta(days=790)
        [found] = churn.count(merchant=cafe, ends_on=ends_on, length=length, lapse_days=60).values()

        assert found == parts_in_memory(who, day, spent, end=790, length=length, lapse=60)
        assert found.adds_up
        for dimension in ("cohort", "tier", "channel", "store"):
            groups = churn.count(
                merchant=cafe, ends_on=ends_on, length=length, lapse_days=60, dimension=dimension
            )
            assert sum(groups.values(), start=type(found)()) == found, dimension


@pytest.mark.parametrize("dimension", churn.DIMENSIONS)
def test_gathered_once_it_counts_the_same(cafe, dimension):
    who, day, spent = random_days(3)
    fill(cafe, who, day, spent, starts=date(2024, 1, 1))
    window = {"merchant": cafe, "ends_on": date(2026, 3, 1), "lapse_days": 60, "dimension": dimension}

    with transaction.atomic(), churn.gathered(merchant=cafe, ends_on=date(2026, 3, 1)):
        for length in churn.WINDOWS:
            gathered = churn.count(**window, length=length, is_gathered=True)
            assert gathered == churn.count(**window, length=length)


def test_cohorts_add_up_to_the_revenue(cafe, noon):
    who, day, spent = random_days(9)
    spent = np.abs(spent) + 1
    fill(cafe, who, day, spent, starts=date(2024, 1, 1))

    snapshots.refresh(merchant=cafe, at=noon)

    rows = CohortMonth.objects.filter(merchant_id=cafe.pk)
    assert sum(rows.values_list("revenue_minor", flat=True)) == spent.sum()
    assert sum(rows.filter(after=0).values_list("customers", flat=True)) == len(np.unique(who))


def test_the_lapse_window_is_the_formulas(cafe, cdnow):
    from insights import retention

    fill(cafe, cdnow.who, cdnow.day, np.maximum(np.rint(cdnow.spent * 100), 1), starts=CDNOW_STARTS)

    assert days.lapse_days(merchant=cafe, until=date(1998, 6, 30)) == retention.lapse_days(
        cdnow.who, cdnow.day
    )


def test_the_merchants_word_counts_against_the_found_window(cafe, noon):
    snapshots.refresh(merchant=cafe, at=noon)
    MerchantInsight.objects.filter(merchant=cafe).update(lapse_override=45)

    assert snapshots.refresh(merchant=cafe, at=noon + timedelta(days=1)).lapse_days == 45


def test_a_refresh_takes_as_many_statements_for_many_as_for_few(cafe, bar_nilo, noon):
    counts = []
    for merchant, buyers in ((cafe, 10), (bar_nilo, 1_000)):
        fill(merchant, range(1, buyers + 1), [0] * buyers, [500] * buyers, starts=date(2026, 1, 1))
        with CaptureQueriesContext(connection) as asked:
            snapshots.refresh(merchant=merchant, at=noon)
        counts.append(len(asked))

    assert counts[0] == counts[1]
    assert not connection.in_atomic_block


@pytest.fixture
def grocer(cafe):
    """A year of 2,469 households of a grocer (demo/ORIGIN.md), net of nothing: what they paid per day."""
    sums = {}
    with gzip.open(settings.BASE_DIR / "demo/baskets.csv.gz", "rt") as file:
        at = 0
        for row in csv.DictReader(file):
            at = int(row["at"]) if int(row["at"]) > 1_000_000_000 else at + int(row["at"])
            key = int(row["household"]), at // 86_400
            sums[key] = sums.get(key, 0) + int(row["paid"])
    who, day = zip(*sums, strict=True)
    fill(cafe, who, day, sums.values(), starts=date(1970, 1, 1))
    return cafe


def test_a_grocers_year_from_the_table_to_the_report(grocer):
    [(last,)] = RevenueDay.objects.order_by("-day").values_list("day")[:1]
    end = datetime.combine(last, datetime.min.time(), UTC) + timedelta(hours=12)

    run = snapshots.refresh(merchant=grocer, at=end)

    assert run.status == "forecast"
    assert run.customers > 2_400
    # Nine of ten gaps, each household with equal weight, are shorter; counted by gaps it would be 13 days.
    assert 30 <= run.lapse_days <= 40
    assert abs(run.backtest["purchases"]["total_error"]) < 0.2
    assert run.backtest["purchases"]["gini"] > 0.6
    quarter = RetentionSnapshot.objects.get(merchant=grocer, dimension="total", days=91)
    assert quarter.parts.adds_up
    assert 0.8 < quarter.parts.net_retention < 1.2


def test_a_history_that_is_too_short_has_no_percentage(cafe, noon):
    """With three weeks of sales before the window, whoever stayed would have grown by thousands of percent."""
    first = date(2025, 4, 1)
    window = RetentionSnapshot(ends_on=date(2026, 5, 1), days=365)
    parts = Parts(start=100, expansion=9_900, now=10_000, base_customers=40, kept_customers=40)

    assert not window.is_covered(first)
    assert not window.is_covered(None)
    assert window.is_covered(date(2024, 5, 1))
    assert reports.figures(parts, is_covered=False)["net_churn"] is None
    assert reports.figures(parts)["net_churn"] == pytest.approx(-99)
    assert reports.headline(parts, days=365, currency="EUR", begins=first).startswith("Too early to say")
