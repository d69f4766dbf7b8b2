"""Points given and taken by hand."""

import pytest

from tests.api.conftest import V1

pytestmark = pytest.mark.core


@pytest.fixture
def adjust(till, ana):
    def act(points, reference="A-1", query="", **more):
        said = {"customer": ana.public_id, "points": points, "reason": "Sorry", "reference": reference}
        return till.post(f"{V1}/adjustments{query}", said | more)

    return act


def test_points_are_given_with_a_reason(adjust, till, ana):
    answer = adjust(50)

    assert answer.status_code == 201, answer.content
    assert answer.json()["id"].startswith("adj_")
    assert answer.json()["balance"]["active"] == 50
    [entry] = till.get(f"{V1}/customers/{ana.public_id}/entries").json()["results"]
    assert (entry["kind"], entry["reason"]) == ("adjust", "Adjusted by the shop: Sorry")


def test_told_twice_is_done_once(adjust):
    first, again = adjust(50), adjust(50)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_told_twice_with_other_points_names_them(adjust):
    adjust(50)

    answer = adjust(60)

    assert (answer.status_code, answer.json()["code"]) == (409, "reference_reused")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/points"]


def test_what_is_not_there_is_not_taken(adjust):
    answer = adjust(-1)

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_points")


def test_debt_is_allowed_only_by_saying_so(adjust):
    answer = adjust(-30, allow_negative=True)

    assert answer.status_code == 201
    assert answer.json()["balance"]["debt"] == 30
    refused = adjust(-1, reference="A-2")
    assert (refused.status_code, refused.json()["code"]) == (422, "account_in_debt")


def test_a_rehearsal_gives_nothing(adjust, till, ana):
    answer = adjust(50, query="?dry_run=true")

    assert (answer.status_code, answer.json()["balance"]["active"]) == (200, 50)
    assert till.get(f"{V1}/customers/{ana.public_id}/balance").json()["active"] == 0


@pytest.mark.parametrize(
    "more",
    [{"points": 0}, {"points": 10**10}, {"points": 1.0}, {"reason": " "}, {"allow_negative": "yes"}],
)
def test_what_makes_no_sense_is_refused(adjust, more):
    assert adjust(more.pop("points", 1), **more).status_code == 400
