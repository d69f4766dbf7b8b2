"""Customers as a CRM knows them, at the API and in batches."""

from datetime import timedelta

import pytest

from customers.models import Customer, Identifier
from tests.api.conftest import V1

PATH = f"{V1}/customers/by-external-id/hubspot/101"


def test_somebody_is_brought_in_and_brought_up_to_date(till, program):
    said = {"email": "eva@example.com", "name": "Eva", "changed_at": "2026-04-01T12:00:00Z"}
    made = till.put(PATH, said)
    again = till.put(PATH, said)
    older = till.put(PATH, {"name": "E.", "changed_at": "2026-03-01T12:00:00Z"})

    assert (made.status_code, made.json()["status"]) == (201, "created"), made.json()
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert older.json()["kept"] == ["name"]
    assert older.json()["customer"]["name"] == "Eva"
    assert {"type": "external_id", "value": "101", "verified": True, "source": "hubspot"} in made.json()[
        "customer"
    ]["identifiers"]


def test_an_idempotency_key_gives_the_first_answer(till, program):
    first = till.put(PATH, {"email": "eva@example.com"}, HTTP_IDEMPOTENCY_KEY="k")
    again = till.put(PATH, {"email": "eva@example.com"}, HTTP_IDEMPOTENCY_KEY="k")

    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("path", "said", "pointer"),
    [
        (PATH, {"email": "nonsense"}, "/email"),
        (PATH, {"birthday": "31-05"}, "/birthday"),
        (PATH, {"changed_at": "2199-01-01T00:00:00Z"}, "/changed_at"),
        (PATH, {"surname": "X"}, "/surname"),
        (f"{V1}/customers/by-external-id/Hub%20Spot/101", {}, "/source"),
    ],
)
def test_what_cannot_be_is_refused(till, program, path, said, pointer):
    answer = till.put(path, said)

    assert answer.status_code == 400, answer.json()
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Customer.objects.count() == 0


def test_a_batch_brings_many(till, program, ana, noon):
    till.credentials(**till._credentials | {"HTTP_X_TEST_CLOCK": (noon + timedelta(days=1)).isoformat()})

    def event(number, **more):
        data = {"source": "hubspot", "external_id": str(number), **more}
        return {"event_id": f"e{number}", "type": "customer", "data": data}

    answer = till.post(
        f"{V1}/batches",
        {
            "events": [
                event(1, email="eva@example.com"),
                event(2, email="ana@example.com", name="Ana Maria"),
                event(3, email="nonsense"),
                {"event_id": "plain", "type": "customer", "data": {"email": "zoe@example.com"}},
            ]
        },
    )

    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["created", "created", "rejected", "created"]
    assert [one["result"]["status"] for one in results[:2]] == ["created", "changed"]
    assert results[1]["result"]["kept"] == []
    assert results[2]["error"]["errors"][0]["pointer"] == "/events/2/data/email"
    ana.refresh_from_db()
    assert ana.name == "Ana Maria"


def test_the_same_id_at_the_outsiders_is_another_customer(till, outsider_till, program, bar_nilo):
    till.put(PATH, {"email": "eva@example.com"})
    theirs = outsider_till.put(PATH, {"email": "eva@example.com"})

    assert theirs.status_code == 201
    assert Identifier.objects.filter(type="external_id", value="101").count() == 2
