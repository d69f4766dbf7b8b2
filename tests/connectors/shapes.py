"""Events of one Stripe account, written by hand in the shapes of its API, with ids that belong together."""

from datetime import UTC, datetime

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOW = "2026-10-28.endive"
BEFORE_BASIL = "2022-11-15"


def event(type, shape, *, id=None, at=NOON, version=NOW, **more):
    return {
        "id": id or f"evt_{type.replace('.', '_')}_{shape['id']}",
        "object": "event",
        "api_version": version,
        "created": int(at.timestamp()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "type": type,
        "data": {"object": shape},
        **more,
    }


def session(n=1, *, amount=1299, currency="eur", email="ana@example.com", **more):
    return {
        "id": f"cs_{n}",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{n}",
        "invoice": None,
        "customer": f"cus_{n}",
        "client_reference_id": None,
        "customer_details": {"email": email, "phone": None, "name": "Ana Mira"},
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": currency,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "shipping_cost": None,
        "metadata": {},
        "livemode": False,
        "created": int(NOON.timestamp()),
        **more,
    }


def payment(n=1, *, amount=1299, currency="eur", email=None, **more):
    return {
        "id": f"pi_{n}",
        "object": "payment_intent",
        "amount": amount,
        "amount_received": amount,
        "currency": currency,
        "customer": f"cus_{n}",
        "latest_charge": f"ch_{n}",
        "receipt_email": email,
        "status": "succeeded",
        "payment_method_types": ["card"],
        "amount_details": {"tip": {}},
        "metadata": {},
        **more,
    }


def charge(n=1, *, amount=1299, refunded=0, **more):
    return {
        "id": f"ch_{n}",
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": refunded,
        "currency": "eur",
        "customer": f"cus_{n}",
        "captured": True,
        "paid": True,
        "payment_intent": f"pi_{n}",
        "billing_details": {"email": "ana@example.com", "name": "Ana Mira", "phone": None},
        "receipt_email": None,
        "status": "succeeded",
        **more,
    }


def refund(n=1, *, amount=1299, id=None, status="succeeded", **more):
    return {
        "id": id or f"re_{n}",
        "object": "refund",
        "amount": amount,
        "charge": f"ch_{n}",
        "payment_intent": f"pi_{n}",
        "currency": "eur",
        "status": status,
        **more,
    }


def dispute(n=1, *, amount=1299, status="needs_response", **more):
    return {
        "id": f"du_{n}",
        "object": "dispute",
        "amount": amount,
        "charge": f"ch_{n}",
        "payment_intent": f"pi_{n}",
        "currency": "eur",
        "reason": "fraudulent",
        "status": status,
        **more,
    }


def customer(n=1, *, email="ana@example.com", **more):
    return {
        "id": f"cus_{n}",
        "object": "customer",
        "email": email,
        "name": "Ana Mira",
        "phone": None,
        "preferred_locales": ["pt"],
        "metadata": {},
        **more,
    }


def invoice(n=1, *, amount=1299, email="ana@example.com", **more):
    """An invoice as it is since basil: it does not say which payment paid it."""
    return {
        "id": f"in_{n}",
        "object": "invoice",
        "amount_paid": amount,
        "amount_due": amount,
        "total": amount,
        "currency": "eur",
        "customer": f"cus_{n}",
        "customer_email": email,
        "customer_name": "Ana Mira",
        "customer_phone": None,
        "lines": {
            "object": "list",
            "has_more": False,
            "data": [
                {
                    "id": f"il_{n}",
                    "object": "line_item",
                    "amount": amount,
                    "currency": "eur",
                    "description": "Coffee plan",
                    "quantity": 1,
                    "discount_amounts": [],
                    "taxes": [],
                    "pricing": {
                        "type": "price_details",
                        "price_details": {"price": "price_1", "product": "prod_1"},
                    },
                    "metadata": {"category": "plan"},
                }
            ],
        },
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": f"sub_{n}"}},
        "shipping_cost": None,
        "status": "paid",
        "total_taxes": [],
        "metadata": {},
        **more,
    }


def invoice_payment(n=1, **more):
    return {
        "id": f"inpay_{n}",
        "object": "invoice_payment",
        "invoice": f"in_{n}",
        "amount_paid": 1299,
        "currency": "eur",
        "is_default": True,
        "payment": {"type": "payment_intent", "payment_intent": f"pi_{n}"},
        "status": "paid",
        **more,
    }


def old_invoice(n=1, **more):
    """An invoice before basil: it names its charge and payment intent itself."""
    old = invoice(n, charge=f"ch_{n}", payment_intent=f"pi_{n}", subscription=f"sub_{n}", tax=None, **more)
    for name in ("parent", "total_taxes"):
        del old[name]
    for line in old["lines"]["data"]:
        for name in ("taxes", "pricing"):
            del line[name]
        line |= {"tax_amounts": [], "price": {"id": "price_1", "object": "price", "product": "prod_1"}}
    return old
