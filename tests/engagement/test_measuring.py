"""What campaigns and experiments have come to: from real purchases, by assignment, with honest sentences."""

from datetime import timedelta

import pytest

from engagement import campaigns, experiments, measuring, trials
from engagement.experiments import Sums
from engagement.models import Assignment, Campaign, Experiment, ExperimentDay
from lib import db
from loyalty import customer_days, purchases
from loyalty.sale import Sale
from tests.engagement.campaigning import launch, people, write_all

pytestmark = [pytest.mark.core, pytest.mark.django_db]
DAY = timedelta(days=1)


@pytest.fixture
def buys(cafe):
    def buy(customer, amount_minor, at, reference):
        sale = Sale(
            reference=reference,
            currency="EUR",
            amount_minor=amount_minor,
            occurred_at=at,
            customer_id=customer.pk,
        )
        purchases.record(merchant=cafe, sale=sale, at=at)

    return buy


@pytest.fixture
def offer(cafe, noon):
    """A standing experiment of two arms."""
    return Experiment.objects.create(
        merchant=cafe, slug="offer", name="Offer", created_at=noon,
        arms=[{"name": "A", "weight": 50}, {"name": "B", "weight": 50}],
    )  # fmt: skip


def sums_of(experiment, metric):
    rows = ExperimentDay.objects.filter(experiment=experiment, metric=metric)
    return {row.arm: (row.n, row.sum_y, row.sum_yy, row.sum_x, row.sum_xy) for row in rows}


def test_sums_are_made_of_what_was_bought_before_and_after(cafe, noon, buys, offer):
    one, other = people(cafe, 2, noon - 30 * DAY)
    buys(one, 100, noon - 20 * DAY, "too early")
    buys(one, 300, noon - 3 * DAY, "before")
    for customer, arm in ((one, "A"), (other, "B")):
        Assignment.objects.create(
            merchant=cafe, experiment=offer, customer=customer, arm=arm, assigned_at=noon,
            assigned_on=noon.date(), until=noon + 14 * DAY,
        )  # fmt: skip
    buys(one, 500, noon + DAY, "after")
    buys(one, 200, noon + 2 * DAY, "again")
    buys(one, 900, noon + 14 * DAY, "too late")

    list(customer_days.rebuild(merchant=cafe, at=noon))

    for _ in range(2):  # told twice
        measuring.measure(experiment=offer, at=noon + 15 * DAY)

    assert sums_of(offer, "revenue") == {"A": (1, 700, 490_000, 300, 210_000), "B": (1, 0, 0, 0, 0)}
    assert sums_of(offer, "goal") == {"A": (1, 1, 1, 0, 0), "B": (1, 0, 0, 0, 0)}


def test_another_shop_counts_for_nothing(cafe, noon, offer, bar_nilo, bo):
    sale = Sale(reference="N", currency="EUR", amount_minor=999, occurred_at=noon, customer_id=bo.pk)
    purchases.record(merchant=bar_nilo, sale=sale, at=noon)

    measuring.measure(experiment=offer, at=noon)

    assert not ExperimentDay.objects.exists()


def test_a_customer_stays_in_their_arm(cafe, ana, noon, offer):
    first = trials.arm(experiment=offer, customer=ana, at=noon)
    offer.arms = [{"name": "C", "weight": 1}]
    offer.save()
    trials.end(experiment=offer, at=noon)

    assert trials.arm(experiment=offer, customer=ana, at=noon + DAY) == first
    assert Assignment.objects.count() == 1
    [late] = people(cafe, 1, noon)
    with pytest.raises(trials.ExperimentOver):
        trials.arm(experiment=offer, customer=late, at=noon)


def test_a_campaign_is_measured_while_it_counts_and_not_after(cafe, noon, buys):
    told = people(cafe, 3, noon)
    campaign = launch(cafe, noon, days=7)
    write_all(noon)
    buys(told[0], 400, noon + DAY, "R-1")

    assert measuring.measure_due(at=noon + 2 * DAY) == 1
    assert measuring.measure_due(at=noon + 2 * DAY) == 0
    found = measuring.outcome(Experiment.objects.get(campaign=campaign))
    [arm] = found.arms
    assert (arm.rate.reached, arm.rate.people, found.base) == (1, 3, "A")
    campaigns.stop(campaign=campaign, at=noon + 3 * DAY)
    assert measuring.measure_due(at=noon + 14 * DAY) == 0
    assert Campaign.objects.get().state == "stopped"


def test_little_says_not_enough_and_much_says_what_it_caused():
    goal = {"A": Sums(400, 80, 80), "holdout": Sums(100, 10, 10)}
    revenue = {
        "A": Sums(400, 40_000, 8_000_000, 0, 0, 0),
        "holdout": Sums(100, 8_000, 1_500_000, 0, 0, 0),
    }
    found = measuring.judged({"goal": goal, "revenue": revenue}, shares={"A": 0.8, "holdout": 0.2})

    arm, held = found.arms
    assert (found.base, held.name, arm.goal.difference) == ("holdout", "holdout", pytest.approx(0.1))
    assert arm.caused == pytest.approx(20 * 400)
    assert arm.better > 0.97
    assert not found.is_skewed
    few = measuring.judged(
        {"goal": {"A": Sums(20, 5, 5), "holdout": Sums(9, 1, 1)}, "revenue": {}},
        shares={"A": 0.8, "holdout": 0.2},
    )
    assert few.arms[0].goal == few.arms[0].revenue == experiments.NOT_ENOUGH


def test_arms_that_lost_people_raise_the_alarm():
    goal = {"A": Sums(700, 70, 70), "holdout": Sums(300, 30, 30)}

    assert measuring.judged({"goal": goal, "revenue": {}}, shares={"A": 0.8, "holdout": 0.2}).is_skewed


def test_measuring_takes_the_same_statements_however_many(cafe, noon, offer):
    def statements():
        with db.watching() as watch:
            measuring.measure(experiment=offer, at=noon)
        return watch.statements

    few = statements()
    for one in people(cafe, 5, noon):
        trials.arm(experiment=offer, customer=one, at=noon)
    assert statements() == few
