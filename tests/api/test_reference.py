"""The OpenAPI document is committed, complete and true; the reference page works under the content policy."""

import json
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from api import shapes
from tests.api.conftest import V1, buy
from tests.api.test_outsiders import CALLS

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
HOW = "python manage.py spectacular --format openapi-json --file docs/openapi.json"


@pytest.fixture
def document():
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))


def test_the_committed_document_is_the_present_one(document):
    assert document == json.loads(COMMITTED.read_text()), f"The API changed: run `{HOW}` and commit it."


def test_it_is_valid_and_names_every_call_with_its_scopes(document):
    validate_schema(document)
    described = {
        (method, path.removeprefix("/api/v1/")): operation["x-scopes"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    served = {
        (method, route.replace("<str:", "{").replace(">", "}")): list(call.scopes)
        for (method, route), call in CALLS.items()
    }
    assert described == served


def test_operation_ids_are_unique(document):
    ids = [call["operationId"] for calls in document["paths"].values() for call in calls.values()]

    assert len(set(ids)) == len(ids)


def is_as_described(said, model):
    """Check an answer against its shape: every field is there, none is missing from the document."""
    model.model_validate(said)
    assert set(said) <= set(model.model_fields)
    assert {name for name, field in model.model_fields.items() if field.is_required()} <= set(said)


def test_answers_are_as_the_document_describes(till, bought, ana):
    sold = buy(
        till, bought(1299, lines=[{"amount_minor": 1299}], tenders=[{"kind": "card", "amount_minor": 1}])
    )
    is_as_described(sold.json(), shapes.PurchaseOut)
    is_as_described(sold.json()["balance"], shapes.BalanceOut)
    is_as_described(sold.json()["balance"]["tier"], shapes.ProgressOut)
    is_as_described(sold.json()["why"][0], shapes.WhyOut)
    refund = {"reference": "F-1", "amount_minor": 100}
    refunded = till.post(f"{V1}/purchases/{sold.json()['id']}/refunds", refund)
    is_as_described(refunded.json(), shapes.RefundOut)
    parked = till.post(f"{V1}/refunds", {"reference": "F-2", "purchase_reference": "no", "amount_minor": 100})
    is_as_described(parked.json(), shapes.WaitingOut)
    basket = {"customer": ana.public_id, "currency": "EUR", "amount_minor": 100}
    is_as_described(till.post(f"{V1}/calculate", basket).json(), shapes.CalculationOut)
    said = {"customer": ana.public_id, "points": 1, "reason": "x", "reference": "A-1"}
    is_as_described(till.post(f"{V1}/adjustments", said).json(), shapes.AdjustmentOut)
    said = {"customer": ana.public_id, "kind": "page.viewed"}
    is_as_described(till.post(f"{V1}/touchpoints", said).json(), shapes.TouchpointOut)
    events = [{"event_id": "1", "type": "purchase", "data": bought(100)}, {"event_id": "2", "type": "x"}]
    for result in till.post(f"{V1}/batches", {"events": events}).json()["results"]:
        is_as_described(result, shapes.ResultOut)
    is_as_described(till.get(f"{V1}/nowhere").json(), shapes.Problem)
    one = f"customers/{ana.public_id}"
    is_as_described(till.get(f"{V1}/{one}").json(), shapes.CustomerOut)
    is_as_described(till.get(f"{V1}/{one}/balance").json(), shapes.BalanceOut)
    for path, model in (
        ("customers", shapes.CustomerOut),
        ("purchases", shapes.PurchaseOut),
        (f"{one}/entries", shapes.EntryOut),
        (f"{one}/timeline", shapes.TimelineOut),
        ("programs", shapes.ProgramOut),
        ("tiers", shapes.TierOut),
    ):
        is_as_described(till.get(f"{V1}/{path}").json()["results"][0], model)


def test_the_document_is_served(client, db):
    answer = client.get("/api/schema?format=json")

    assert answer.status_code == 200
    assert answer.json()["info"]["title"] == "Loyalty API"


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_script(client, db):
    page = client.get("/api/docs")

    assert page.status_code == 200
    text = page.content.decode()
    assert "https://" not in text.replace("http://testserver", "")
    assert "<script>" not in text
    assert "script-src 'self'" in page["Content-Security-Policy"]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_browser_shows_the_calls_without_complaint(page, live_server):
    complaints = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{live_server.url}/api/docs")
    page.get_by_text("Record a purchase", exact=True).wait_for()

    assert complaints == []
