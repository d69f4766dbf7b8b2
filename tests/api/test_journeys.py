"""Reports of journeys through the API: the admin's figures, for one merchant."""

import pytest

from customers.models import Segment
from tests.api.conftest import V1

pytestmark = [pytest.mark.core, pytest.mark.django_db]
AN_HOUR_AGO = {"occurred_at": "2026-05-01T11:00:00Z"}
WHO = {"anonymous_id": "visitor-1", "channel": "web"}


@pytest.fixture
def ways(till):
    for said in (
        {**WHO, "kind": "page.viewed"},
        {**WHO, "kind": "basket.updated"},
        {"anonymous_id": "visitor-2", "channel": "store", "kind": "page.viewed"},
    ):
        assert till.post(f"{V1}/touchpoints", said | AN_HOUR_AGO).status_code == 201


def test_the_map(till, ways, cafe):
    answer = till.get(f"{V1}/reports/journeys")

    assert answer.status_code == 200
    map_ = answer.json()
    assert [(row["stage"], row["people"], row["lost"]) for row in map_["stages"]][:2] == [
        ("awareness", 2, 1), ("consideration", 1, 1),
    ]  # fmt: skip
    assert map_["currency"] == "EUR"


def test_a_funnel(till, ways):
    answer = till.get(f"{V1}/reports/funnel?steps=page.viewed,basket.updated&within_days=1")

    assert [(step["people"], step["lost"]) for step in answer.json()["steps"]] == [(2, 0), (1, 1)]


def test_attribution(till, ways, ana):
    mail = {"customer": ana.public_id, "channel": "email", "kind": "page.viewed"}
    till.post(f"{V1}/touchpoints", mail | AN_HOUR_AGO)
    sale = {"customer": ana.public_id, "reference": "R-1", "currency": "EUR", "amount_minor": 900}
    sale["occurred_at"] = "2026-05-01T11:30:00Z"
    assert till.post(f"{V1}/purchases", sale).status_code == 201

    channels = {row.pop("channel"): row for row in till.get(f"{V1}/reports/attribution").json()["channels"]}

    assert set(channels["email"].values()) == {1.0}, "every model gives the one conversion to the one channel"
    assert {credit for row in (channels["web"], channels["store"]) for credit in row.values()} == {0.0}


@pytest.mark.parametrize(
    "query",
    [
        "journeys?days=0",
        "journeys?days=9999",
        "journeys?days=x",
        "journeys?who=me",
        "funnel",
        "funnel?steps=page.viewed",
        "funnel?steps=page.viewed,Page",
        "funnel?steps=page.viewed,basket.updated&within_days=0",
    ],
)
def test_what_cannot_be_asked(till, query):
    assert till.get(f"{V1}/reports/{query}").status_code == 400


def test_next_door_sees_nothing_of_it(outsider_till, ways, cafe, noon):
    """The outsider: their map is empty, and our segment does not exist."""
    Segment.objects.create(merchant=cafe, code="ours", name="Ours", rule={"all": []}, changed_at=noon)

    assert outsider_till.get(f"{V1}/reports/journeys").json()["people"] == 0
    assert outsider_till.get(f"{V1}/reports/journeys?segment=ours").status_code == 404
