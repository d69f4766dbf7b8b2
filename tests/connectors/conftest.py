"""Stripe and a shop's own server, as they would send: the same shapes, signed in the same way."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import transaction
from django.test import Client

from connectors import connections, endpoints, inbox, outbox
from connectors.models import Connection
from customers import journey
from loyalty import adjustments, balances, programs
from loyalty.models import Tier
from tests.connectors.receiver import Receiver
from tests.connectors.shapes import NOON

STRIPE_SECRET = "whsec_the_cafes_own_stripe_secret"
PLAIN_SECRET = "whsec_" + base64.b64encode(b"a secret of the cafe's server").decode()


def connect(merchant, *, at, kind="stripe", code="main", secret=STRIPE_SECRET, **more):
    with transaction.atomic():
        return connections.keep(
            connection=Connection(merchant=merchant, code=code, kind=kind, **more), secret=secret, at=at
        )


def stripe_signature(body, *, secret=STRIPE_SECRET, at):
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


@pytest.fixture(autouse=True)
def _fresh_doors():
    connections.forget()
    yield
    connections.forget()


@pytest.fixture
def stripe(cafe, noon):
    """The café's Stripe connection."""
    return connect(cafe, at=noon)


@pytest.fixture
def plain(cafe, noon):
    """The connection of the café's own server."""
    return connect(cafe, at=noon, kind="plain", code="shop", secret=PLAIN_SECRET)


@pytest.fixture
def post(noon):
    """`post(stripe, event)` sends one event as Stripe does, signed, at noon."""

    def send(connection, event, *, at=noon, secret=STRIPE_SECRET, **headers):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        given = {
            "HTTP_STRIPE_SIGNATURE": stripe_signature(body, secret=secret, at=at),
            "HTTP_X_TEST_CLOCK": at.isoformat(),
        }
        return Client(raise_request_exception=True).post(
            connection.hook_path, body, content_type="application/json", **{**given, **headers}
        )

    return send


@pytest.fixture
def send(noon):
    """`send(plain, message)` sends one message by the Standard Webhooks scheme."""

    def send(connection, message, *, id="msg_1", at=noon, secret=PLAIN_SECRET, **headers):
        body = json.dumps(message).encode()
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{id}.{int(at.timestamp())}.".encode() + body, hashlib.sha256).digest()
        given = {
            "HTTP_WEBHOOK_ID": id,
            "HTTP_WEBHOOK_TIMESTAMP": str(int(at.timestamp())),
            "HTTP_WEBHOOK_SIGNATURE": f"v1,{base64.b64encode(signed).decode()}",
            "HTTP_X_TEST_CLOCK": at.isoformat(),
        }
        return Client().post(
            connection.hook_path, body, content_type="application/json", **{**given, **headers}
        )

    return send


@pytest.fixture
def drain(noon):
    """`drain()` works through everything due; `drain(minutes=5)` does so five minutes after noon."""

    def drain(**after):
        counts = inbox.Counts()
        while (some := inbox.drain(at=noon + timedelta(**after))).taken:
            counts += some
        return counts

    return drain


@pytest.fixture
def points(noon):
    """`points(ana)` is what she can use now."""

    def points(customer, **after):
        balance = balances.balance(
            merchant=customer.merchant, customer_id=customer.pk, at=noon + timedelta(**after)
        )
        return balance["active"] - balance["debt"]

    return points


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


@pytest.fixture
def at_home(settings):
    """This machine may be called: the receivers of these tests live here."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8", "::1/128"]


@pytest.fixture
def receiver(at_home):
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hear(cafe, noon):
    """`hear(url)` adds an endpoint of the café that wants everything; returns it and its secret."""

    def add(url, *, merchant=cafe, wanted=("*",), at=noon, **more):
        return endpoints.add(merchant=merchant, url=url, kinds=list(wanted), at=at, **more)

    return add


@pytest.fixture
def adjust(ana, noon):
    """`adjust(5)` gives Ana five points by hand: one `points.adjusted` event."""
    count = iter(range(1, 10_000))

    def give(points=1, *, customer=ana, at=noon):
        number = next(count)
        adjustments.adjust(
            customer=customer, points=points, reason="kind", reference=f"A-{number}", at=at, by="test"
        )

    return give


@pytest.fixture
def relay(noon):
    return lambda: journey.relay(at=noon)


@pytest.fixture
def due(noon):
    """`due()` sends what is due at noon; `due(minutes=5)` what is due five minutes later."""
    return lambda **after: outbox.send_due(at=noon + timedelta(**after))
