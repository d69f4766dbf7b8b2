"""Stripe's messages of one sale, in any order, become one purchase."""

from datetime import timedelta

import pytest

from connectors.models import InboundEvent
from customers.models import Customer, Identifier
from loyalty.models import Purchase, Refund
from tests.connectors.conftest import connect
from tests.connectors.shapes import (
    customer,
    event,
    payment,
    session,
)
from tests.connectors.telling import (
    BILLING,
    LEFT,
    SALE,
    sale,
    statuses,
    wrong,
)

pytestmark = [pytest.mark.django_db, pytest.mark.core]


def test_a_paid_session_gives_its_customer_points(ana, stripe, post, drain, points):
    post(stripe, SALE["session"])

    counts = drain()

    assert (counts.done, counts.taken) == (1, 1)
    assert points(ana) == 12
    purchase = Purchase.objects.get()
    assert (purchase.reference, purchase.source) == ("pi_1", stripe.public_id)
    assert (purchase.amount_minor, purchase.currency, purchase.channel) == (1299, "EUR", "web")


@pytest.mark.parametrize("together", [True, False])
def test_the_messages_of_a_sale_award_once_in_any_order(together, ana, tell_in_every_order, points):
    orders = tell_in_every_order(sale, ["session", "payment", "charge", "customer"], together=together)

    assert wrong(orders, points=12) == {}
    assert points(ana, minutes=10) == 12 * len(orders)
    assert statuses() <= {"done", "ignored"}


@pytest.mark.parametrize("together", [True, False])
def test_a_refund_takes_back_once_wherever_it_arrives(together, ana, tell_in_every_order, points):
    orders = tell_in_every_order(sale, ["session", "payment", "refund", "refunded"], together=together)

    assert wrong(orders, points=LEFT) == {}
    assert points(ana, minutes=10) == LEFT * len(orders)
    assert set(Refund.objects.values_list("status", flat=True)) == {"applied"}
    assert statuses() <= {"done", "ignored"}


def test_every_message_told_twice_changes_nothing(ana, stripe, post, drain, points):
    for name, message in SALE.items():
        post(stripe, message)
        post(stripe, message)
        post(stripe, message | {"id": f"evt_again_{name}"})
    drain()
    drain(minutes=5)

    assert points(ana, minutes=5) == LEFT
    assert (Purchase.objects.count(), Refund.objects.count()) == (1, 1)


def test_a_payment_on_its_own_is_a_sale_after_two_minutes(ana, stripe, post, drain, points):
    post(stripe, event("payment_intent.succeeded", payment(email="ana@example.com")))

    assert drain().taken == 0
    assert drain(minutes=2).done == 1
    assert points(ana, minutes=3) == 12


def test_a_session_that_comes_after_its_payment_was_awarded_adds_nothing(ana, stripe, post, drain, points):
    post(stripe, event("payment_intent.succeeded", payment(email="ana@example.com")))
    drain(minutes=3)

    post(stripe, SALE["session"])
    drain(minutes=4)

    assert points(ana, minutes=4) == 12
    assert Purchase.objects.count() == 1


def test_a_session_tells_whose_an_unmatched_payment_was(ana, stripe, post, drain, points):
    post(stripe, event("payment_intent.succeeded", payment()))
    drain(minutes=3)
    assert Purchase.objects.get().status == "unmatched"

    post(stripe, SALE["session"])
    drain(minutes=4)

    assert points(ana, minutes=4) == 12


def test_a_session_of_somebody_unknown_is_kept_until_they_join(cafe, program, stripe, post, drain):
    post(stripe, event("checkout.session.completed", session(email="new@example.com")))
    drain()

    purchase = Purchase.objects.get()
    assert (purchase.status, purchase.customer_id) == ("unmatched", None)
    assert "new@example.com" in purchase.waits_for


def test_where_the_connection_enrolls_an_unknown_payer_joins(cafe, noon, post, drain, points):
    stripe = connect(cafe, at=noon, enroll="always")
    post(stripe, event("checkout.session.completed", session(email="New@Example.com")))
    post(stripe, event("customer.created", customer(email="new@example.com")))
    post(stripe, event("checkout.session.completed", session(2, customer="cus_1", email="new@example.com")))
    drain()

    new = Customer.objects.get()
    assert new.name == "Ana Mira"
    assert set(new.identifiers.values_list("type", "source", "value")) == {
        ("email", "", "new@example.com"),
        ("external_id", "stripe", "cus_1"),
    }
    assert points(new) == 24


def test_a_known_payer_is_recognized_by_stripes_id_from_then_on(ana, stripe, post, drain, points):
    post(stripe, SALE["session"])
    drain()
    later = payment(2, customer="cus_1")

    post(stripe, event("payment_intent.succeeded", later))
    drain(minutes=3)

    assert points(ana, minutes=3) == 24


@pytest.mark.parametrize("said", ["own id", "shop's id"])
def test_the_shop_may_name_its_customer(said, ana, cafe, noon, stripe, post, drain, points):
    if said == "shop's id":
        Identifier.objects.create(
            merchant=cafe, customer=ana, type="external_id", value="A-17", verified_at=noon, created_at=noon
        )
    name = ana.public_id if said == "own id" else "A-17"
    post(
        stripe,
        event("checkout.session.completed", session(email="gift@example.com", client_reference_id=name)),
    )
    post(
        stripe,
        event(
            "checkout.session.completed",
            session(2, email="gift@example.com", metadata={"loyalty_customer": name}),
        ),
    )
    drain()

    assert points(ana) == 24


def test_an_outsiders_customer_gets_nothing_from_the_cafes_messages(bo, ana, stripe, post, drain, points):
    post(
        stripe,
        event(
            "checkout.session.completed",
            session(email="bo@example.com", client_reference_id=bo.public_id),
        ),
    )
    drain()

    assert points(bo) == 0
    assert Purchase.objects.get().status == "unmatched"


def test_tax_and_shipping_are_told_apart(ana, stripe, post, drain, points):
    post(
        stripe,
        event(
            "checkout.session.completed",
            session(
                amount=2599,
                shipping_cost={"amount_subtotal": 500, "amount_tax": 100, "amount_total": 600},
                total_details={"amount_discount": 0, "amount_shipping": 500, "amount_tax": 400},
            ),
        ),
    )
    drain()

    purchase = Purchase.objects.get()
    assert [(line["kind"], line["amount_minor"], line["tax_minor"]) for line in purchase.lines] == [
        ("goods", 1999, 300),
        ("shipping", 600, 100),
    ]
    assert points(ana) == 19


@pytest.mark.parametrize(
    ("currency", "amount", "ours"),
    [("jpy", 500, 500), ("kwd", 12340, 12340), ("isk", 50000, 500), ("ugx", 500000, 5000), ("usd", 500, 500)],
)
def test_currencies_without_decimals_are_read_in_our_units(currency, amount, ours, ana, stripe, post, drain):
    post(stripe, event("checkout.session.completed", session(amount=amount, currency=currency)))
    drain()

    purchase = Purchase.objects.get()
    assert (purchase.amount_minor, purchase.currency) == (ours, currency.upper())


def test_a_payment_that_takes_days_counts_when_it_arrives(ana, stripe, post, drain, points):
    post(stripe, event("checkout.session.completed", session(payment_status="unpaid")))
    drain()
    assert points(ana) == 0

    post(stripe, event("checkout.session.async_payment_succeeded", session()))
    drain()

    assert points(ana) == 12


def test_a_payment_that_fails_after_days_counts_never(ana, stripe, post, drain, points):
    post(stripe, event("checkout.session.completed", session(payment_status="unpaid")))
    post(stripe, event("checkout.session.async_payment_failed", session(payment_status="unpaid")))
    drain()

    assert points(ana) == 0
    assert ana.touchpoints.filter(kind="payment.failed").count() == 1


def test_a_customer_who_changes_their_contacts_is_known_by_the_new_ones(ana, stripe, post, drain):
    post(stripe, SALE["customer"])
    post(stripe, event("customer.updated", customer(email="ana@mira.example", phone="+351 919 999 999")))
    drain()

    assert set(ana.identifiers.values_list("value", flat=True)) >= {
        "ana@example.com",
        "ana@mira.example",
        "+351919999999",
        "cus_1",
    }


def test_a_customer_deleted_at_stripe_keeps_points_and_loses_the_link(ana, stripe, post, drain, points):
    post(stripe, SALE["session"])
    post(stripe, SALE["customer"])
    drain()

    post(stripe, event("customer.deleted", customer()))
    drain()

    assert points(ana) == 12
    assert not Identifier.objects.filter(type="external_id").exists()
    assert Identifier.objects.filter(customer=ana, value="ana@example.com").exists()


@pytest.mark.parametrize(
    ("options", "change", "sentence"),
    [
        ({}, {"livemode": True}, "sandbox"),
        ({"livemode": True}, {}, "only live"),
        ({"account": "acct_1"}, {"account": "acct_2"}, "acct_2"),
        ({"account": "acct_1"}, {}, "acct_1"),
        ({}, {"account": "acct_2"}, "acct_2"),
    ],
)
def test_a_message_of_another_mode_or_account_needs_attention(
    options, change, sentence, ana, cafe, noon, post, drain, points
):
    stripe = connect(cafe, at=noon, options=options)
    post(stripe, SALE["session"] | change)
    drain()

    row = InboundEvent.objects.get()
    assert row.status == "attention"
    assert sentence in row.error
    assert points(ana) == 0


@pytest.mark.parametrize(
    ("version", "change", "sentence"),
    [
        ("2031-01-01.fern", {"amount_total": {"value": "12.99"}}, "older version"),
        ("2026-10-28.endive", {"amount_total": None}, "amount_total"),
        ("2026-10-28.endive", {"currency": "zzz"}, "ISO 4217"),
        ("2026-10-28.endive", {"amount_total": 12.99}, "amount_total"),
    ],
)
def test_a_message_that_cannot_be_read_needs_attention(
    version, change, sentence, ana, stripe, post, drain, points
):
    post(stripe, event("checkout.session.completed", session(**change), version=version))
    drain()

    row = InboundEvent.objects.get()
    assert row.status == "attention"
    assert sentence in row.error
    assert version in row.error


def test_a_new_version_that_can_be_read_is_read(ana, stripe, post, drain, points):
    post(stripe, event("checkout.session.completed", session(), version="2031-01-01.fern"))
    drain()

    assert points(ana) == 12


def test_messages_of_no_use_are_marked_so(stripe, post, drain):
    post(stripe, event("product.created", {"id": "prod_1", "object": "product"}))

    assert drain().ignored == 1


@pytest.mark.parametrize(
    ("source", "told", "awarded"),
    [
        ("checkout", "session", 12),
        ("checkout", "payment", 0),
        ("payment_intent", "session", 0),
        ("payment_intent", "payment", 12),
    ],
)
def test_the_merchant_may_choose_which_message_makes_the_sale(
    source, told, awarded, ana, cafe, noon, post, drain, points
):
    stripe = connect(cafe, at=noon, options={"source": source, "settle_seconds": 0})
    message = SALE["session"] if told == "session" else BILLING["payment"]
    post(stripe, message)
    drain()

    assert points(ana) == awarded


def test_a_sale_of_ages_ago_needs_attention(ana, stripe, post, drain, noon):
    old = event("checkout.session.completed", session(), at=noon - timedelta(days=31))
    post(stripe, old)
    drain()

    assert InboundEvent.objects.get().status == "attention"


def test_the_character_zero_does_no_harm(ana, stripe, post, drain, points):
    post(
        stripe,
        event(
            "checkout.session.completed", session(metadata={"note\x00": "a\x00b"}, id="cs\x00_1"), id="evt_1"
        ),
    )
    drain()

    assert points(ana) == 12
