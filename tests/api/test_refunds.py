"""Refunds through both doors."""

import pytest

from tests.api.conftest import V1, buy

pytestmark = pytest.mark.core


@pytest.fixture
def sold(till, bought):
    lines = [{"id": "a", "amount_minor": 1000, "quantity": 2}, {"id": "b", "amount_minor": 500}]
    return buy(till, bought(1500, reference="R-1", lines=lines)).json()


def test_a_part_of_it_takes_a_part_of_the_points(till, sold):
    answer = till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 500})

    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["clawed_back"], told["returned"], told["balance"]["active"]) == (5, 0, 10)
    assert (told["status"], told["purchase"], told["amount_minor"]) == ("applied", sold["id"], 500)


def test_lines_are_refunded_by_quantity_or_amount(till, sold):
    said = {"reference": "F-1", "lines": [{"id": "a", "quantity": 1}, {"id": "b", "amount_minor": 500}]}

    assert till.post(f"{V1}/purchases/{sold['id']}/refunds", said).json()["clawed_back"] == 10


def test_told_twice_is_done_once(till, sold):
    said = {"reference": "F-1", "amount_minor": 500}
    first = till.post(f"{V1}/purchases/{sold['id']}/refunds", said)

    again = till.post(f"{V1}/purchases/{sold['id']}/refunds", said)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["balance"]["active"] == 10


def test_told_twice_with_another_amount_names_it(till, sold):
    till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 500})

    answer = till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 600})

    assert answer.status_code == 409
    assert answer.json()["code"] == "reference_reused"
    assert answer.json()["errors"][0]["pointer"] == "/amount_minor"


def test_more_than_was_paid_is_refused(till, sold):
    answer = till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 1501})

    assert answer.status_code == 422
    assert answer.json()["code"] == "refund_exceeds_purchase"


def test_a_line_that_is_none_is_refused(till, sold):
    said = {"reference": "F-1", "lines": [{"id": "z", "quantity": 1}]}

    assert till.post(f"{V1}/purchases/{sold['id']}/refunds", said).json()["code"] == "unknown_line"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"amount_minor": 1, "lines": [{"id": "a", "quantity": 1}]},
        {"amount_minor": 0},
        {"lines": [{"id": "a"}]},
        {"lines": [{"id": "a", "quantity": 1, "amount_minor": 1}]},
    ],
)
def test_a_refund_says_how_much_once(till, sold, more):
    answer = till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1"} | more)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_refund_before_its_purchase_waits_for_it(till, bought, ana):
    said = {"reference": "F-1", "purchase_reference": "R-later", "amount_minor": 400}
    first, again = till.post(f"{V1}/refunds", said), till.post(f"{V1}/refunds", said)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json() == {"id": first.json()["id"], "status": "parked", "reference": "F-1"}

    told = buy(till, bought(1000, reference="R-later")).json()

    assert told["points"]["earned"] == 10
    assert told["balance"]["active"] == 6
    assert till.post(f"{V1}/refunds", said).status_code == 200


def test_a_rehearsal_takes_nothing_back(till, sold, ana):
    answer = till.post(
        f"{V1}/purchases/{sold['id']}/refunds?dry_run=true", {"reference": "F-1", "amount_minor": 500}
    )

    assert (answer.status_code, answer.json()["dry_run"], answer.json()["clawed_back"]) == (200, True, 5)
    assert till.get(f"{V1}/customers/{ana.public_id}/balance").json()["active"] == 15


def test_a_full_refund_leaves_nothing(till, sold, ana):
    till.post(f"{V1}/refunds", {"reference": "F-1", "purchase_reference": "R-1", "amount_minor": 1500})

    entries = till.get(f"{V1}/customers/{ana.public_id}/entries").json()["results"]
    assert sum(entry["points"] for entry in entries) == 0
    assert till.get(f"{V1}/purchases/{sold['id']}").json()["refunded_minor"] == 1500


def test_a_voided_purchase_is_not_refunded(till, sold):
    till.post(f"{V1}/purchases/{sold['id']}/void", {"reference": "V-1"})

    answer = till.post(f"{V1}/purchases/{sold['id']}/refunds", {"reference": "F-1", "amount_minor": 1})

    assert (answer.status_code, answer.json()["code"]) == (409, "purchase_voided")
