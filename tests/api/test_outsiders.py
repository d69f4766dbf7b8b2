"""
Every call, against callers who may not: no key, a key without the scope, another merchant's object.

The table below has a row for each call of the URL conf. A new call without a row fails the first test.
"""

import re

import pytest
from rest_framework.test import APIClient

from api import urls
from api.door import Door
from connectors import endpoints, outbox
from customers import segments
from customers.models import Segment
from engagement.models import Experiment
from lib import db
from merchants.models import SCOPES
from rewards import codes, vouchers
from tests.api.conftest import V1
from tests.cast import client_of
from tests.engagement.asking import ask
from tests.rewards.conftest import put_up

METHODS = ("get", "post", "put", "patch", "delete")


def calls():
    """Every (method, route) of the URL conf with what it says of itself."""
    found = {}
    for pattern in urls.urlpatterns:
        view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, Door):
            continue
        for method in METHODS:
            if described := getattr(getattr(view, method, None), "call", None):
                found[method, str(pattern.pattern).removeprefix("v1/")] = described
    return found


CALLS = calls()

# The body of a call that would be right if the objects it names were one's own.
SALE = {"reference": "R-9", "currency": "EUR", "amount_minor": 100}
BODIES = {
    ("post", "customers"): {"email": "eve@example.com"},
    ("get", "customers"): None,
    ("get", "customers/lookup"): None,
    ("put", "customers/by-external-id/<str:source>/<str:external_id>"): {"email": "eve@example.com"},
    ("get", "customers/<str:customer>"): None,
    ("patch", "customers/<str:customer>"): {"name": "Eve"},
    ("delete", "customers/<str:customer>"): None,
    ("get", "customers/<str:customer>/balance"): None,
    ("get", "customers/<str:customer>/entries"): None,
    ("get", "customers/<str:customer>/export"): None,
    ("get", "customers/<str:customer>/timeline"): None,
    ("get", "customers/<str:customer>/perks"): None,
    ("get", "customers/<str:customer>/recommendations"): None,
    ("post", "customers/<str:customer>/perks/<str:perk>/use"): {"reference": "K-9"},
    ("post", "customers/<str:customer>/perks/<str:perk>/rollback"): {"reference": "K-1"},
    ("post", "purchases"): SALE | {"customer": "CUSTOMER"},
    ("get", "purchases"): None,
    ("get", "purchases/<str:purchase>"): None,
    ("post", "purchases/<str:purchase>/refunds"): {"reference": "F-9", "amount_minor": 1},
    ("post", "purchases/<str:purchase>/release"): None,
    ("post", "purchases/<str:purchase>/void"): {"reference": "V-9"},
    ("post", "refunds"): {"reference": "F-9", "purchase_reference": "R-1", "amount_minor": 1},
    ("post", "calculate"): {"currency": "EUR", "amount_minor": 100, "customer": "CUSTOMER"},
    ("post", "batches"): {
        "events": [{"event_id": "1", "type": "purchase", "data": SALE | {"customer": "CUSTOMER"}}]
    },
    ("post", "adjustments"): {"customer": "CUSTOMER", "points": 1, "reason": "kind", "reference": "A-9"},
    ("post", "merges"): {"source": "CUSTOMER", "target": "CUSTOMER", "reason": "one person"},
    ("delete", "merges/<str:merge>"): None,
    ("post", "households"): {"customer": "CUSTOMER", "reference": "HH-9"},
    ("get", "households/<str:household>"): None,
    ("post", "households/<str:household>/members"): {"customer": "CUSTOMER"},
    ("delete", "households/<str:household>/members/<str:customer>"): None,
    ("get", "customers/<str:customer>/household"): None,
    ("post", "transfers"): {"source": "CUSTOMER", "target": "CUSTOMER", "points": 1, "reference": "T-9"},
    ("get", "referrals"): None,
    ("post", "referrals/claim"): {"code": "XXXXXXXX", "customer": "CUSTOMER"},
    ("post", "holds"): {"customer": "CUSTOMER", "points": 1, "reference": "H-9"},
    ("get", "holds/<str:hold>"): None,
    ("post", "holds/<str:hold>/cancel"): None,
    ("post", "holds/<str:hold>/capture"): {},
    ("post", "holds/<str:hold>/extend"): {},
    ("get", "rewards"): None,
    ("get", "redemptions"): None,
    ("get", "reports/attribution"): None,
    ("get", "reports/funnel"): None,
    ("get", "reports/journeys"): None,
    ("post", "redemptions"): {"customer": "CUSTOMER", "reward": "espresso", "reference": "X-9"},
    ("get", "redemptions/<str:redemption>"): None,
    ("post", "redemptions/<str:redemption>/cancel"): {},
    ("get", "programs"): None,
    ("get", "reports/liability"): None,
    ("get", "segments"): None,
    ("get", "reports/clv"): None,
    ("get", "reports/churn"): None,
    ("get", "segments/<str:segment>/members"): None,
    ("get", "experiments/<str:experiment>/arm"): None,
    ("get", "customers/<str:customer>/receipt-notes"): None,
    ("get", "tiers"): None,
    ("get", "surveys"): None,
    ("post", "surveys/<str:survey>/answers"): {"customer": "CUSTOMER", "score": 9, "reference": "S-9"},
    ("post", "touchpoints"): {"customer": "CUSTOMER", "kind": "page.viewed"},
    ("get", "vouchers/<str:code>"): None,
    ("post", "vouchers/<str:code>/redeem"): {"reference": "U-9"},
    ("post", "vouchers/<str:code>/rollback"): {"reference": "U-9"},
    ("post", "gift-cards"): {
        "amount_minor": 1000,
        "currency": "EUR",
        "reference": "G-9",
        "customer": "CUSTOMER",
    },
    ("get", "gift-cards/<str:code>"): None,
    ("post", "gift-cards/<str:code>/charge"): {"reference": "C-9", "amount_minor": 1},
    ("post", "gift-cards/<str:code>/refund"): {"reference": "B-9", "amount_minor": 1},
    ("post", "webhook-endpoints"): {"url": "https://192.0.2.1/hooks", "kinds": ["*"]},
    ("get", "webhook-endpoints"): None,
    ("get", "webhook-endpoints/<str:endpoint>"): None,
    ("patch", "webhook-endpoints/<str:endpoint>"): {"description": "theirs"},
    ("delete", "webhook-endpoints/<str:endpoint>"): None,
    ("get", "webhook-endpoints/<str:endpoint>/deliveries"): None,
    ("post", "webhook-endpoints/<str:endpoint>/rotate-secret"): {},
    ("post", "webhook-endpoints/<str:endpoint>/test"): None,
    ("post", "deliveries/<str:delivery>/resend"): None,
}
IN_BODY = [
    name
    for name, body in BODIES.items()
    if body and "CUSTOMER" in str(body) and name[1] != "batches" and "<" not in name[1]
]
NOBODYS = re.compile("<str:([a-z]+)>")
PREFIXES = {
    "merge": "mrg",
    "hold": "hld",
    "household": "hsh",
    "endpoint": "whe",
    "delivery": "whd",
    "survey": "srv",
}
# What another system calls somebody is the caller's own word: it names nobody else's object.
IN_PATH = [name for name in BODIES if "<" in name[1] and "<str:external_id>" not in name[1]]


def test_every_call_has_a_row():
    assert set(CALLS) == set(BODIES)


@pytest.fixture
def sold(till, bought):
    return till.post(f"{V1}/purchases", bought(1000)).json()


@pytest.fixture
def merged(till, ana):
    """Somebody who was merged into Ana."""
    other = till.post(f"{V1}/customers", {"card": "4000000077"}).json()["id"]
    said = {"source": other, "target": ana.public_id, "reason": "one person"}
    return till.post(f"{V1}/merges", said).json()


@pytest.fixture
def held(till, ana, sold):
    said = {"customer": ana.public_id, "points": 5, "reference": "H-1"}
    return till.post(f"{V1}/holds", said).json()


@pytest.fixture
def home(till, ana, program):
    """Ana's household."""
    program.extras = {"transfers": {"household": True}}
    program.save()
    return till.post(f"{V1}/households", {"customer": ana.public_id, "reference": "HH-1"}).json()


@pytest.fixture
def redeemed(till, ana, program):
    put_up(program, cost=0)
    said = {"customer": ana.public_id, "reward": "espresso", "reference": "X-1"}
    return till.post(f"{V1}/redemptions", said).json()


@pytest.fixture
def grouped(cafe, noon):
    """A segment of the café."""
    segment = Segment(merchant=cafe, code="regulars", name="Regulars")
    return db.command(segments.save)(segment=segment, rule={"all": []}, at=noon)


@pytest.fixture
def asked(cafe):
    """A survey of the café."""
    return ask(cafe)


@pytest.fixture
def tried(cafe, noon):
    """An experiment of the café."""
    arms = [{"name": "A", "weight": 1}]
    return Experiment.objects.create(merchant=cafe, slug="offer", name="Offer", arms=arms, created_at=noon)


@pytest.fixture
def code(till, ana, cafe, noon):
    """The code of a voucher and of a gift card of the café: two rows, one code would be a coincidence."""
    voucher = db.command(vouchers.issue)(
        merchant=cafe, name="Coffee", worth={}, at=noon, by="t", origin="perk", reference="P", customer=ana
    )
    card = {"amount_minor": 1000, "currency": "EUR", "reference": "G-1"}
    return {"vouchers": voucher.code, "gift-cards": till.post(f"{V1}/gift-cards", card).json()["code"]}


@pytest.fixture
def told(cafe, noon):
    """An endpoint of the café and what was sent to it: (endpoint, delivery)."""
    endpoint, _ = endpoints.add(merchant=cafe, url="https://1.1.1.1/hooks", kinds=["tier.*"], at=noon)
    return endpoint, outbox.test(endpoint=endpoint, at=noon)


@pytest.fixture
def send(ana, sold, merged, held, home, redeemed, grouped, code, told, asked, tried):
    """`send(client, name)` makes a call that speaks of Ana and of what was done for her."""

    def fill(body):
        if isinstance(body, dict):
            return {name: fill(value) for name, value in body.items()}
        if isinstance(body, list):
            return [fill(value) for value in body]
        return ana.public_id if body == "CUSTOMER" else body

    def make(client, name):
        method, route = name
        path = route.replace("<str:customer>", ana.public_id).replace("<str:purchase>", sold["id"])
        path = path.replace("<str:merge>", merged["id"])
        path = path.replace("<str:hold>", held["id"])
        path = path.replace("<str:household>", home["id"])
        path = path.replace("<str:redemption>", redeemed["id"])
        path = path.replace("<str:endpoint>", told[0].public_id).replace("<str:delivery>", told[1].public_id)
        path = path.replace("<str:segment>", grouped.public_id).replace("<str:survey>", asked.public_id)
        path = path.replace("<str:code>", code.get(path.split("/")[0], ""))
        path = path.replace("<str:experiment>", tried.public_id)
        query = "?q=4000000001" if path.endswith("lookup") else ""
        query = f"?customer={ana.public_id}" if path.endswith("/arm") else query
        return getattr(client, method)(f"{V1}/{path}{query}", fill(BODIES[name]), format="json")

    return make


@pytest.mark.parametrize("name", BODIES, ids=" ".join)
def test_without_a_key_the_door_stays_shut(send, name):
    answer = send(APIClient(), name)

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", BODIES, ids=" ".join)
def test_without_the_scope_it_is_refused(send, name, cafe):
    others = sorted(set(SCOPES) - {"*"} - set(CALLS[name].scopes))

    answer = send(client_of(cafe, scopes=others), name)

    assert answer.status_code == 403
    assert answer.json()["code"] == "insufficient_scope"


@pytest.mark.parametrize("name", IN_PATH, ids=" ".join)
def test_anothers_object_does_not_exist(send, outsider_till, till, name):
    theirs = send(outsider_till, name)
    path = name[1].replace("<str:code>", codes.new())
    path = NOBODYS.sub(lambda kind: f"{PREFIXES.get(kind[1], kind[1][:3])}_0000000000001", path)
    nobodys = getattr(till, name[0])(f"{V1}/{path}", BODIES[name], format="json")

    assert theirs.status_code == nobodys.status_code == 404
    assert _said(theirs) == _said(nobodys)


@pytest.mark.parametrize("name", IN_BODY, ids=" ".join)
def test_anothers_object_in_the_body_does_not_exist(send, outsider_till, name):
    answer = send(outsider_till, name)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    pointer = next(f"/{key}" for key, value in BODIES[name].items() if value == "CUSTOMER")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_anothers_customer_in_a_batch_does_not_exist(send, outsider_till):
    [result] = send(outsider_till, ("post", "batches")).json()["results"]

    assert result["status"] == "rejected"
    assert result["error"]["code"] == "not_found"
    assert [error["pointer"] for error in result["error"]["errors"]] == ["/events/0/data/customer"]


@pytest.mark.parametrize("name", ["customers", "purchases"])
def test_lists_and_lookups_hold_only_ones_own(send, outsider_till, bo, name):
    found = outsider_till.get(f"{V1}/{name}").json()["results"]

    assert [one["id"] for one in found] == ([bo.public_id] if name == "customers" else [])
    assert outsider_till.get(f"{V1}/customers/lookup?q=ana@example.com").status_code == 404


def test_anothers_reference_is_another_reference(till, outsider_till, bought, bo):
    till.post(f"{V1}/purchases", bought(reference="R-1"))

    answer = outsider_till.post(f"{V1}/purchases", bought(reference="R-1", customer=bo.public_id))

    assert answer.status_code == 201


def test_anothers_purchase_reference_parks_the_refund(send, outsider_till):
    assert send(outsider_till, ("post", "refunds")).status_code == 202


def _said(answer):
    return {name: value for name, value in answer.json().items() if name != "request_id"}
