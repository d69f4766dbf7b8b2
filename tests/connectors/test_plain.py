"""The shop's own server, in the shape of the API's batches."""

import pytest

from connectors.models import InboundEvent
from customers.models import Customer
from loyalty.models import Purchase
from merchants.models import Store

pytestmark = [pytest.mark.django_db, pytest.mark.core]

PURCHASE = {
    "identifier": {"type": "email", "value": "ana@example.com"},
    "reference": "R-1",
    "currency": "EUR",
    "amount_minor": 1299,
}


def told(type="purchase", **data):
    return {"event_id": "e-1", "type": type, "data": data}


def test_a_purchase_gives_points_once(ana, plain, send, drain, points):
    send(plain, told(**PURCHASE))
    send(plain, told(**PURCHASE), id="msg_2")
    drain()

    assert points(ana) == 12
    assert Purchase.objects.get().source == plain.public_id


def test_several_events_travel_in_one_message(ana, plain, send, drain, points):
    send(
        plain,
        {
            "events": [
                told("customer", email="new@example.com", name="New", birthday="02-29"),
                told(**PURCHASE),
                told(
                    **PURCHASE
                    | {"reference": "R-2", "identifier": {"type": "email", "value": "NEW@example.com"}}
                ),
                told("refund", reference="F-1", purchase_reference="R-1", amount_minor=1299),
                told("touchpoint", customer=ana.public_id, kind="review.posted", reference="rev-1"),
            ]
        },
    )
    drain()

    new = Customer.objects.get(name="New")
    assert (points(ana), points(new)) == (0, 12)
    assert ana.touchpoints.filter(kind="review.posted").count() == 1
    assert InboundEvent.objects.get().status == "done"


def test_one_bad_event_never_spoils_the_rest(ana, plain, send, drain, points):
    send(
        plain,
        {
            "events": [
                told(**PURCHASE | {"amount_minor": -1}),
                told("haircut"),
                "nonsense",
                told(**PURCHASE | {"reference": "R-3", "surprise": True}),
                told(**PURCHASE | {"reference": "R-4", "occurred_at": "2026-05-01T12:00:00"}),
                told(**PURCHASE | {"reference": "R-5", "occurred_at": 1777636800}),
                told(**PURCHASE | {"reference": "R-6", "store": "nowhere"}),
                told(**PURCHASE | {"reference": "R-7"}),
            ]
        },
    )
    drain()

    assert points(ana) == 12
    assert Purchase.objects.get().reference == "R-7"
    row = InboundEvent.objects.get()
    assert row.status == "attention"
    assert row.error


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"amount_minor": -1}, "amount_minor"),
        ({"amount_minor": "12"}, "amount_minor"),
        ({"amount_minor": 10**13}, "amount_minor"),
        ({"currency": "euro"}, "currency"),
        ({"reference": ""}, "reference"),
        ({"surprise": 1}, "surprise"),
        ({"lines": [{"amount_minor": 1, "kind": "magic"}]}, "kind"),
        ({"store": "nowhere"}, "nowhere"),
    ],
)
def test_a_bad_event_is_shown_with_what_is_wrong(data, named, ana, plain, send, drain, points):
    send(plain, told(**PURCHASE | data))
    drain()

    row = InboundEvent.objects.get()
    assert row.status == "attention"
    assert named in row.error
    assert points(ana) == 0


def test_another_content_under_a_known_reference_needs_attention(ana, plain, send, drain, points):
    send(plain, told(**PURCHASE))
    drain()
    send(plain, told(**PURCHASE | {"amount_minor": 9999}), id="msg_2")
    drain()

    assert points(ana) == 12
    assert InboundEvent.objects.get(event_id="msg_2").status == "attention"


def test_lines_stores_and_tenders_arrive(ana, cafe, plain, send, drain, points):
    Store.objects.create(merchant=cafe, code="baixa", name="Baixa")
    send(
        plain,
        told(
            identifier={"type": "card", "value": "4000 0000 01"},
            reference="R-1",
            currency="EUR",
            lines=[
                {"amount_minor": 1000, "category": "coffee"},
                {"id": "1", "amount_minor": 500, "kind": "shipping"},
            ],
            tenders=[{"kind": "gift_card", "amount_minor": 1500}],
            store="baixa",
            channel="store",
        ),
    )
    drain()

    purchase = Purchase.objects.select_related("store").get()
    assert (purchase.amount_minor, purchase.store.code) == (1500, "baixa")
    assert [line["id"] for line in purchase.lines] == ["#1", "1"]
    assert points(ana) == 10


def test_a_refund_may_come_first(ana, plain, send, drain, points):
    send(plain, told("refund", reference="F-1", purchase_reference="R-1", amount_minor=1299))
    drain()
    send(plain, told(**PURCHASE), id="msg_2")
    drain()

    assert points(ana) == 0


def test_an_unknown_person_is_kept_unmatched(cafe, program, plain, send, drain):
    send(plain, told(**PURCHASE))
    drain()

    assert Purchase.objects.get().status == "unmatched"


def test_an_outsiders_customer_id_gets_nothing(ana, bo, plain, send, drain, points):
    send(plain, told(**{**PURCHASE, "customer": bo.public_id, "identifier": None}))
    drain()

    assert points(bo) == 0
