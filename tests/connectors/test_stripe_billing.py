"""Stripe's invoices, credit notes, refunds and disputes, in any order."""

import pytest

from connectors.models import InboundEvent
from loyalty.models import Purchase
from tests.connectors.shapes import (
    event,
    invoice,
    refund,
)
from tests.connectors.telling import BILLING, LEFT, SALE, billing, disputed, old_billing, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.core]


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
