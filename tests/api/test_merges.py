"""Merging two customers through the API, and undoing it."""

import pytest

from customers.identifiers import Given
from loyalty import members
from loyalty.models import Merge
from tests.api.conftest import V1

pytestmark = pytest.mark.core


@pytest.fixture
def eva(cafe, noon):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")


@pytest.fixture
def merge(till, ana, eva):
    def act(query="", **more):
        said = {"source": eva.public_id, "target": ana.public_id, "reason": "one person"}
        return till.post(f"{V1}/merges{query}", said | more)

    return act


@pytest.fixture
def evas(till, bought, eva):
    """Eva bought for 600 EUR."""
    return till.post(f"{V1}/purchases", bought(600_00, customer=eva.public_id)).json()


def test_the_source_is_another_name_of_the_target(merge, till, ana, eva, evas):
    answer = merge()

    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert said["id"].startswith("mrg_")
    assert (said["status"], said["points"], said["tier_before"], said["tier"]) == (
        "merged", 600, "Bronze", "Silver",
    )  # fmt: skip
    assert said["balance"]["active"] == 600
    moved = till.get(f"{V1}/customers/{eva.public_id}")
    assert (moved.status_code, moved["Location"]) == (301, f"{V1}/customers/{ana.public_id}")
    found = till.get(f"{V1}/customers/lookup?q=77").json()
    assert found["id"] == ana.public_id
    assert {one["value"] for one in found["identifiers"]} >= {"77", "ana@example.com"}
    [bought] = till.get(f"{V1}/purchases?customer={ana.public_id}").json()["results"]
    assert bought["id"] == evas["id"]
    kinds = [one["kind"] for one in till.get(f"{V1}/customers/{ana.public_id}/timeline").json()["results"]]
    assert {"customer.merged", "purchase.recorded"} <= set(kinds)
    listed = till.get(f"{V1}/customers").json()["results"]
    assert [one["id"] for one in listed] == [ana.public_id]


def test_told_twice_is_done_once(merge, evas):
    first, again = merge(), merge()

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


def test_a_rehearsal_shows_it_and_saves_nothing(merge, till, eva, evas):
    answer = merge("?dry_run=true")

    assert (answer.status_code, answer.json()["balance"]["active"], answer.json()["tier"]) == (
        200, 600, "Silver",
    )  # fmt: skip
    assert answer.json()["dry_run"] is True
    assert till.get(f"{V1}/customers/{eva.public_id}").status_code == 200
    assert not Merge.objects.exists()


def test_undone_it_is_as_before(merge, till, ana, eva, evas):
    number = merge().json()["id"]

    shown = till.delete(f"{V1}/merges/{number}?dry_run=true")
    assert till.get(f"{V1}/customers/{eva.public_id}").status_code == 301
    answer, again = till.delete(f"{V1}/merges/{number}"), till.delete(f"{V1}/merges/{number}")

    assert (shown.status_code, answer.status_code, again.status_code) == (200, 200, 200)
    assert answer.json() == again.json()
    assert (answer.json()["status"], answer.json()["balance"]["active"]) == ("undone", 0)
    assert shown.json()["balance"]["active"] == 0
    assert till.get(f"{V1}/customers/{eva.public_id}").json()["balance"]["active"] == 600


def test_after_ninety_days_it_is_too_late(merge, till, noon):
    number = merge().json()["id"]
    till.credentials(**till._credentials | {"HTTP_X_TEST_CLOCK": noon.replace(month=8, day=1).isoformat()})

    answer = till.delete(f"{V1}/merges/{number}")

    assert (answer.status_code, answer.json()["code"]) == (422, "merge_too_old")


def test_what_makes_no_sense_is_refused(merge, ana, eva, bo, till):
    said = merge(target=eva.public_id)
    assert (said.status_code, said.json()["code"]) == (400, "same_customer")
    said = merge(target=bo.public_id)
    assert (said.status_code, said.json()["errors"][0]["pointer"]) == (404, "/target")
    assert merge(reason=" ").status_code == 400
    merge()
    said = merge(source=ana.public_id, target=eva.public_id)
    assert (said.status_code, said.json()["code"]) == (409, "already_merged")
    assert said.json()["errors"][0]["pointer"] == "/target"
    till.delete(f"{V1}/customers/{ana.public_id}")
    said = merge(source=ana.public_id, target=bo.public_id)
    assert said.status_code == 404


def test_an_identifier_of_the_source_can_be_said_again(merge, till, ana):
    merge()

    assert till.patch(f"{V1}/customers/{ana.public_id}", {"card": "77"}).status_code == 200
