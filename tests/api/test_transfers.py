"""Points given by one customer to another, through the API."""

import pytest

from customers.identifiers import Given
from loyalty import members
from tests.api.conftest import V1

pytestmark = pytest.mark.core


@pytest.fixture
def send(till, ana, cafe, noon, program, bought):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    program.extras = {"transfers": {"allowed": True}}
    program.save()
    till.post(f"{V1}/purchases", bought(100_00))

    def act(query="", **more):
        said = {"source": ana.public_id, "target": eva.public_id, "points": 30, "reference": "T-1"}
        return till.post(f"{V1}/transfers{query}", said | more)

    return act


def test_points_are_sent_once(send, till):
    first, again = send(), send()

    assert (first.status_code, again.status_code) == (201, 200), first.content
    assert first.json() == again.json()
    assert first.json()["id"].startswith("trf_")
    assert first.json()["balance"]["active"] == 70
    assert till.get(f"{V1}/customers/lookup?q=77").json()["balance"]["active"] == 30


def test_a_rehearsal_sends_nothing(send, till):
    assert send("?dry_run=true").json()["balance"]["active"] == 70
    assert till.get(f"{V1}/customers/lookup?q=77").json()["balance"]["active"] == 0


def test_refusals_have_names(send, ana, bo, program):
    assert (send(points=101).status_code, send(points=101).json()["code"]) == (422, "insufficient_points")
    assert send(target=ana.public_id).json()["code"] == "same_customer"
    assert send(target=bo.public_id).json()["errors"][0]["pointer"] == "/target"
    assert send(points=0).status_code == 400
    program.extras = {}
    program.save()
    said = send(reference="T-2")
    assert (said.status_code, said.json()["code"]) == (422, "transfers_not_allowed")
