"""Experiments and campaigns at the till's door: a stable arm, and what the receipt tells."""

import pytest

from engagement import trials
from engagement.models import Assignment, Experiment
from lib import db
from tests.api.conftest import V1
from tests.engagement.campaigning import launch, people, write_all


@pytest.fixture
def offer(cafe, noon):
    arms = [{"name": "free-coffee", "weight": 1}, {"name": "double-points", "weight": 1}]
    return Experiment.objects.create(
        merchant=cafe, slug="offer", name="Offer", arms=arms, holdout=10, created_at=noon
    )


@pytest.mark.parametrize("name", ["offer", "id"])
def test_a_till_is_told_the_same_arm_every_time(till, offer, ana, name):
    named = offer.public_id if name == "id" else name
    address = f"{V1}/experiments/{named}/arm?customer={ana.public_id}"

    first, second = till.get(address), till.get(address)

    assert first.status_code == 200
    assert first.json() == second.json()
    assert first.json()["arm"] in ("free-coffee", "double-points", "holdout")
    assert Assignment.objects.count() == 1


def test_nobody_new_comes_into_one_that_is_over(till, offer, ana, noon):
    trials.end(experiment=offer, at=noon)

    answer = till.get(f"{V1}/experiments/offer/arm?customer={ana.public_id}")

    assert (answer.status_code, answer.json()["code"]) == (422, "experiment_over")


def test_the_arms_of_a_campaign_are_not_given_out(till, cafe, ana, noon):
    campaign = launch(cafe, noon)

    answer = till.get(f"{V1}/experiments/{campaign.experiment.public_id}/arm?customer={ana.public_id}")

    assert answer.status_code == 404


def test_without_a_customer_it_is_not_found(till, offer, bo):
    assert till.get(f"{V1}/experiments/offer/arm").status_code == 404
    assert till.get(f"{V1}/experiments/offer/arm?customer={bo.public_id}").status_code == 404


def test_the_receipt_tells_who_is_reached_by_nothing_else(till, cafe, noon, ana):
    [offline] = people(cafe, 1, noon, says=())
    campaign = launch(cafe, noon, channels=["email", "receipt"], receipt_note="Two for one this week")
    write_all(noon)
    Assignment.objects.update(until="2100-01-01T00:00Z")

    address = f"{V1}/customers/{offline.public_id}/receipt-notes"
    till.get(address)  # the key is known from here on
    with db.watching() as watch:
        said = till.get(address).json()

    assert said == {"results": [{"campaign": campaign.public_id, "text": "Two for one this week"}]}
    assert watch.statements <= 3  # the key, the customer, the notes
