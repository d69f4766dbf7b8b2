"""The messages that tell one sale, and what is on file after each order of them."""

from connectors.models import InboundEvent
from loyalty.models import Purchase
from tests.connectors.shapes import (
    BEFORE_BASIL,
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
