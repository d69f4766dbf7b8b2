"""Touchpoints told from outside."""

import pytest

from customers.models import Touchpoint
from tests.api.conftest import V1


def test_a_touchpoint_is_noted(till, ana):
    answer = till.post(
        f"{V1}/touchpoints",
        {"customer": ana.public_id, "kind": "review.posted", "channel": "web", "data": {"stars": 5}},
    )

    assert answer.status_code == 201, answer.content
    assert answer.json()["customer"] == ana.public_id
    assert answer.json()["data"] == {"stars": 5}
    assert Touchpoint.objects.get(kind="review.posted").channel == "web"


def test_told_twice_is_noted_once(till, ana):
    said = {"customer": ana.public_id, "kind": "review.posted", "reference": "T-1", "data": {"stars": 5}}

    first, again = till.post(f"{V1}/touchpoints", said), till.post(f"{V1}/touchpoints", said)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_told_twice_with_other_details_names_them(till, ana):
    said = {"customer": ana.public_id, "kind": "review.posted", "reference": "T-1", "data": {"stars": 5}}
    till.post(f"{V1}/touchpoints", said)

    answer = till.post(f"{V1}/touchpoints", said | {"data": {"stars": 1}})

    assert (answer.status_code, answer.json()["code"]) == (409, "reference_reused")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/data"]


def test_what_somebody_did_before_is_theirs_once_they_are_known(till, ana, outsider_till, bo):
    for client in (till, outsider_till):
        client.post(f"{V1}/touchpoints", {"anonymous_id": "a-1", "kind": "page.viewed"})

    till.post(f"{V1}/touchpoints", {"customer": ana.public_id, "anonymous_id": "a-1", "kind": "identify"})

    assert Touchpoint.objects.get(merchant=ana.merchant, kind="page.viewed").customer_id == ana.pk
    assert Touchpoint.objects.get(merchant=bo.merchant, kind="page.viewed").customer_id is None


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"kind": "purchase.recorded"}, "reserved_kind"),
        ({"kind": "tier.changed"}, "reserved_kind"),
        ({"kind": "Page viewed"}, "invalid_request"),
        ({"kind": "identify"}, "invalid_request"),
        ({"anonymous_id": ""}, "invalid_request"),
        ({"data": [1]}, "invalid_request"),
        ({"occurred_at": "2026-03-01T00:00:00Z"}, "occurred_at_out_of_range"),
    ],
)
def test_what_cannot_be_noted_is_refused(till, db, more, code):
    answer = till.post(f"{V1}/touchpoints", {"anonymous_id": "a-1", "kind": "page.viewed"} | more)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not Touchpoint.objects.exists()


def test_programs_and_tiers_are_read_as_configured(till, cafe):
    [program] = till.get(f"{V1}/programs").json()["results"]
    tiers = till.get(f"{V1}/tiers").json()["results"]

    assert (program["name"], program["points_name"], program["currency"]) == (
        "Café Mira Club",
        "beans",
        "EUR",
    )
    assert [rule["id"] for rule in program["earning"]] == ["base"]
    assert program["tiers"] == ["Bronze", "Silver", "Gold"]
    assert [(tier["name"], tier["at"], tier["multiplier"]) for tier in tiers] == [
        ("Bronze", 0, "1"),
        ("Silver", 500, "1.25"),
        ("Gold", 2000, "1.5"),
    ]
    assert {tier["metric"] for tier in tiers} == {"points_earned"}
    assert len(till.get(f"{V1}/tiers?program={program['id']}").json()["results"]) == 3
