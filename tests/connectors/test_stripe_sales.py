"""Stripe's messages of one sale, in any order, become one purchase."""

from datetime import timedelta
from itertools import permutations

import pytest

from connectors.models import InboundEvent
from customers.models import Customer, Identifier
from loyalty import programs
from loyalty.models import Purchase, Refund, Tier
from tests.connectors.conftest import connect
from tests.connectors.shapes import (
    BEFORE_BASIL,
    NOON,
    charge,
    customer,
    dispute,
    event,
    invoice,
    invoice_payment,
    old_invoice,
    payment,
    refund,
    session,
)

pytestmark = [pytest.mark.django_db, pytest.mark.core]


def sale(n=1):
    return {
        "session": event("checkout.session.completed", session(n, customer="cus_1")),
        "payment": event("payment_intent.succeeded", payment(n, customer="cus_1")),
        "charge": event("charge.succeeded", charge(n)),
        "customer": event("customer.created", customer(), id=f"evt_customer_{n}"),
        "refund": event("refund.created", refund(n, amount=500)),
        "refunded": event("charge.refunded", charge(n, refunded=500)),
    }


def billing(n=1):
    return {
        "invoice": event("invoice.paid", invoice(n)),
        "link": event("invoice_payment.paid", invoice_payment(n)),
        "payment": event("payment_intent.succeeded", payment(n, email="ana@example.com")),
        "charge": event("charge.succeeded", charge(n)),
        "refund": event("refund.created", refund(n, amount=500)),
    }


def old_billing(n=1):
    refunds = {"object": "list", "has_more": False, "data": [refund(n, amount=500)]}
    return {
        "invoice": event("invoice.paid", old_invoice(n), version=BEFORE_BASIL),
        "payment": event("payment_intent.succeeded", payment(n, invoice=f"in_{n}"), version=BEFORE_BASIL),
        "charge": event("charge.succeeded", charge(n, invoice=f"in_{n}"), version=BEFORE_BASIL),
        "refunded": event(
            "charge.refunded",
            charge(n, invoice=f"in_{n}", refunded=500, refunds=refunds),
            version=BEFORE_BASIL,
        ),
    }


def disputed(n=1):
    return {
        "session": sale(n)["session"],
        "opened": event("charge.dispute.created", dispute(n)),
        "withdrawn": event("charge.dispute.funds_withdrawn", dispute(n)),
        "lost": event("charge.dispute.closed", dispute(n, status="lost")),
        "won": event("charge.dispute.closed", dispute(n, status="won")),
        "reinstated": event("charge.dispute.funds_reinstated", dispute(n, status="won")),
    }


SALE, BILLING, DISPUTED = sale(), billing(), disputed()
LEFT = 12 - 12 * 500 // 1299


@pytest.fixture
def tell_in_every_order(stripe, program, post, drain):
    """
    `tell_in_every_order(sale, ["session", "charge"])` tells one sale per order of these messages, drains
    after each round of messages or (`together`) after all, and some minutes later; returns the orders by
    the number of their sale.
    """

    # So many sales make Ana Gold: here every tier earns alike, so that each sale's points can be told.
    Tier.objects.update(multiplier=1)
    programs.publish(program=program, at=NOON.replace(year=2025), by="test")

    def tell(messages, names, *, together=False):
        orders = dict(enumerate(permutations(names), start=1))
        for place in range(len(names)):
            for n, order in orders.items():
                post(stripe, messages(n)[order[place]])
            if not together:
                drain(seconds=place)
        for minute in range(5, 11):
            drain(minutes=minute)
        return orders

    return tell


def wrong(orders, *, points):
    """The orders after which their sale is not on file exactly once, with these points left."""
    found = {}
    for row in Purchase.objects.all():
        found.setdefault(int(row.reference.partition("_")[2]), []).append(
            (row.status, row.points_earned - row.clawed_back)
        )
    return {
        "-".join(order): found.get(n) for n, order in orders.items() if found.get(n) != [("recorded", points)]
    }


def statuses():
    return set(InboundEvent.objects.values_list("status", flat=True))


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


@pytest.mark.parametrize("together", [True, False])
def test_an_invoice_and_its_payment_are_one_sale(together, ana, tell_in_every_order, points):
    orders = tell_in_every_order(billing, ["invoice", "link", "payment", "refund"], together=together)

    assert wrong(orders, points=LEFT) == {}
    assert points(ana, minutes=10) == LEFT * len(orders)
    assert set(Purchase.objects.values_list("reference", flat=True)) == {f"in_{n}" for n in orders}


def test_if_both_were_awarded_the_later_one_is_voided(ana, stripe, post, drain, points):
    post(stripe, BILLING["payment"])
    drain(minutes=3)
    post(stripe, BILLING["invoice"])
    drain(minutes=3)
    assert points(ana, minutes=3) == 24

    post(stripe, BILLING["link"])
    drain(minutes=4)

    assert points(ana, minutes=4) == 12
    assert sorted(Purchase.objects.values_list("reference", "status")) == [
        ("in_1", "voided"),
        ("pi_1", "recorded"),
    ]


def test_older_versions_of_the_api_say_the_same(ana, tell_in_every_order, points):
    orders = tell_in_every_order(old_billing, list(old_billing()))

    assert wrong(orders, points=LEFT) == {}
    assert points(ana, minutes=10) == LEFT * len(orders)


def test_an_invoices_lines_are_the_purchases_lines(ana, stripe, post, drain):
    post(stripe, BILLING["invoice"])
    drain()

    [line] = Purchase.objects.get().lines
    assert (line["id"], line["sku"], line["category"], line["amount_minor"]) == (
        "il_1",
        "prod_1",
        "plan",
        1299,
    )


def test_an_invoice_of_nothing_is_no_sale(ana, stripe, post, drain):
    post(stripe, event("invoice.paid", invoice(amount=0)))
    drain()

    assert not Purchase.objects.exists()


def test_a_voided_invoice_takes_its_sale_back(ana, stripe, post, drain, points):
    post(stripe, BILLING["invoice"])
    drain()
    post(stripe, event("invoice.voided", invoice()))
    drain()

    assert points(ana) == 0


def test_a_credit_note_takes_back_what_was_credited(ana, stripe, post, drain, points):
    post(stripe, BILLING["invoice"])
    note = {
        "id": "cn_1",
        "object": "credit_note",
        "invoice": "in_1",
        "currency": "eur",
        "amount": 500,
        "post_payment_amount": 500,
        "pre_payment_amount": 0,
        "refunds": [],
        "status": "issued",
    }
    post(stripe, event("credit_note.created", note))
    drain()
    assert points(ana) == LEFT

    post(stripe, event("credit_note.voided", note | {"status": "void"}))
    drain()
    assert points(ana) == 12


def test_a_credit_note_that_was_refunded_counts_once(ana, stripe, post, drain, points):
    post(stripe, BILLING["invoice"])
    post(stripe, BILLING["link"])
    note = {
        "id": "cn_1",
        "object": "credit_note",
        "invoice": "in_1",
        "currency": "eur",
        "amount": 500,
        "post_payment_amount": 500,
        "refunds": [{"refund": "re_1", "amount_refunded": 500}],
        "status": "issued",
    }
    post(stripe, event("credit_note.created", note))
    post(stripe, BILLING["refund"])
    drain()

    assert points(ana) == LEFT


def test_a_refund_that_fails_gives_the_points_back(ana, stripe, post, drain, points):
    post(stripe, SALE["session"])
    post(stripe, SALE["refund"])
    drain()
    assert points(ana) == 8

    post(stripe, event("refund.failed", refund(amount=500, status="failed")))
    drain()

    assert points(ana) == 12


def test_a_refund_that_is_pending_takes_nothing_yet(ana, stripe, post, drain, points):
    post(stripe, SALE["session"])
    post(stripe, event("refund.created", refund(status="pending")))
    drain()
    assert points(ana) == 12

    post(stripe, event("refund.updated", refund(status="succeeded")))
    drain()
    assert points(ana) == 0


def test_a_lost_dispute_takes_back_once(ana, tell_in_every_order, points):
    orders = tell_in_every_order(disputed, ["session", "opened", "withdrawn", "lost"])

    assert wrong(orders, points=0) == {}
    assert points(ana, minutes=10) == 0
    assert ana.touchpoints.filter(kind="dispute.opened").count() == len(orders)


def test_a_won_dispute_leaves_the_points(ana, tell_in_every_order, points):
    orders = tell_in_every_order(disputed, ["session", "withdrawn", "won", "reinstated"])

    assert wrong(orders, points=12) == {}
    assert points(ana, minutes=10) == 12 * len(orders)


def test_refunds_that_were_never_told_are_shown_to_somebody(ana, stripe, post, drain):
    post(stripe, SALE["session"])
    post(stripe, SALE["refunded"])
    drain(minutes=5)

    row = InboundEvent.objects.get(type="charge.refunded")
    assert row.status == "attention"
    assert "refund.created" in row.error


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
