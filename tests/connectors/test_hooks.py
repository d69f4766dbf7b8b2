"""The door: signatures, repeats, nonsense, strangers."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client

from connectors import connections
from connectors.models import InboundEvent
from lib import db, secrets
from tests.connectors.conftest import PLAIN_SECRET, STRIPE_SECRET, connect, stripe_signature
from tests.connectors.shapes import event, session

pytestmark = [pytest.mark.django_db, pytest.mark.core]

PAID = event("checkout.session.completed", session())


def test_a_signed_message_is_stored_as_it_came(stripe, post, noon):
    answer = post(stripe, PAID)

    assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
    [row] = InboundEvent.objects.all()
    assert (row.merchant_id, row.connection_id) == (stripe.merchant_id, stripe.pk)
    assert (row.event_id, row.type, row.status) == (PAID["id"], "checkout.session.completed", "waiting")
    assert json.loads(row.body) == PAID
    assert row.received_at == row.due_at == noon


def test_told_twice_is_stored_once(stripe, post):
    post(stripe, PAID)

    answer = post(stripe, PAID)

    assert (answer.status_code, answer.json()) == (200, {"status": "known"})
    assert InboundEvent.objects.count() == 1


def test_a_message_costs_one_statement(stripe, post):
    post(stripe, PAID)  # the first one opens the connection

    with db.watching() as watch:
        post(stripe, event("checkout.session.completed", session(2)))

    assert watch.statements == 1


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1,v1=00",
        "t=abc,v1=00",
        "v1=00",
        "t=1777636800",
        "t=1777636800,v1=é",
        "nonsense",
        "t=99999999999999999999,v1=00",
    ],
)
def test_a_wrong_signature_stores_nothing(stripe, post, signature):
    answer = post(stripe, PAID, HTTP_STRIPE_SIGNATURE=signature)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    assert not InboundEvent.objects.exists()


def test_a_signature_of_another_body_stores_nothing(stripe, post, noon):
    other = stripe_signature(b"{}", at=noon)

    assert post(stripe, PAID, HTTP_STRIPE_SIGNATURE=other).status_code == 400
    assert not InboundEvent.objects.exists()


def test_a_message_signed_six_minutes_ago_is_refused(stripe, post, noon):
    old = stripe_signature(json.dumps(PAID).encode(), at=noon - timedelta(minutes=6))

    assert post(stripe, PAID, HTTP_STRIPE_SIGNATURE=old).status_code == 400


def test_a_message_signed_four_minutes_ago_is_stored(stripe, post, noon):
    late = stripe_signature(json.dumps(PAID).encode(), at=noon - timedelta(minutes=4))

    assert post(stripe, PAID, HTTP_STRIPE_SIGNATURE=late).status_code == 200


def test_after_a_rotation_both_secrets_are_good_for_three_days(cafe, stripe, post, noon):
    from django.db import transaction

    with transaction.atomic():
        connections.keep(connection=stripe, secret="whsec_the_new_one", at=noon)
    connections.forget()

    assert post(stripe, PAID, secret="whsec_the_new_one").json() == {"status": "stored"}
    assert post(stripe, PAID, secret=STRIPE_SECRET).json() == {"status": "known"}
    later = noon + timedelta(hours=73)
    assert post(stripe, PAID, secret=STRIPE_SECRET, at=later).status_code == 400
    assert post(stripe, PAID, secret="whsec_the_new_one", at=later).status_code == 200


def test_secrets_are_sealed(stripe):
    stripe.refresh_from_db()

    assert STRIPE_SECRET not in stripe.secret_sealed
    assert secrets.open(stripe.secret_sealed) == STRIPE_SECRET


def test_another_merchants_secret_does_not_open_the_door(stripe, bar_nilo, post, noon):
    connect(bar_nilo, at=noon, secret="whsec_of_bar_nilo")

    assert post(stripe, PAID, secret="whsec_of_bar_nilo").status_code == 400
    assert not InboundEvent.objects.exists()


def test_the_same_event_id_at_another_merchant_is_another_message(stripe, bar_nilo, post, noon):
    theirs = connect(bar_nilo, at=noon, secret="whsec_of_bar_nilo")

    post(stripe, PAID)
    answer = post(theirs, PAID, secret="whsec_of_bar_nilo")

    assert answer.json() == {"status": "stored"}
    assert InboundEvent.objects.values_list("merchant_id", flat=True).distinct().count() == 2


def test_an_unknown_connection_is_not_found(stripe, post):
    for path in (
        "/hooks/stripe/cafe-mira/other",
        "/hooks/stripe/nobody/main",
        "/hooks/plain/cafe-mira/main",
        "/hooks/square/cafe-mira/main",
    ):
        answer = Client().post(path, b"{}", content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_connection_that_was_switched_off_is_not_found(stripe, post):
    stripe.is_active = False
    stripe.save()

    assert post(stripe, PAID).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b'{"id": "evt_1", "type": "a\x00b"}',
        b"\xff\xfe",
        b"{" * 5000,
    ],
)
def test_what_is_not_an_object_is_refused(stripe, post, body):
    answer = post(stripe, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": "e" * 300},
        {"id": "evt\x00_1"},
        {"type": "charge\x00.succeeded"},
        {"type": None},
        {"type": "t" * 300},
        {"created": None},
        {"created": "today"},
        {"created": 10**30},
        {"created": 1e300},
    ],
)
def test_a_signed_object_that_is_no_event_is_refused(stripe, post, change):
    answer = post(stripe, PAID | change)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_body_of_more_than_a_mebibyte_is_refused(stripe, post):
    answer = post(stripe, PAID | {"padding": "x" * 1024 * 1024})

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not InboundEvent.objects.exists()


def test_only_post_is_answered(stripe):
    assert Client().get(stripe.hook_path).status_code == 405


def test_a_live_merchant_has_no_test_clock(cafe, stripe, post):
    cafe.is_test = False
    cafe.save()

    assert post(stripe, PAID).status_code == 400


@pytest.mark.parametrize("clock", ["yesterday", "2026-05-01", "2026-13-01T12:00:00Z", "9999-01-01T00:00:00Z"])
def test_a_wrong_test_clock_is_refused(stripe, post, clock):
    assert post(stripe, PAID, HTTP_X_TEST_CLOCK=clock).status_code == 400


def test_a_payment_waits_for_its_session(stripe, post, noon):
    post(stripe, event("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"}))

    assert InboundEvent.objects.get().due_at == noon + timedelta(seconds=120)


def test_a_plain_message_is_stored(plain, send):
    answer = send(plain, {"event_id": "1", "type": "customer", "data": {}})

    assert answer.json() == {"status": "stored"}
    assert send(plain, {"event_id": "1", "type": "customer", "data": {}}).json() == {"status": "known"}


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_WEBHOOK_SIGNATURE": "v1,AAAA"},
        {"HTTP_WEBHOOK_SIGNATURE": ""},
        {"HTTP_WEBHOOK_SIGNATURE": "v1,é"},
        {"HTTP_WEBHOOK_ID": "another"},
        {"HTTP_WEBHOOK_ID": ""},
        {"HTTP_WEBHOOK_TIMESTAMP": "now"},
        {"HTTP_WEBHOOK_TIMESTAMP": "1"},
        {"HTTP_WEBHOOK_TIMESTAMP": "9" * 40},
    ],
)
def test_a_plain_message_with_a_wrong_signature_stores_nothing(plain, send, headers):
    answer = send(plain, {"event_id": "1", "type": "customer", "data": {}}, **headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    assert not InboundEvent.objects.exists()


def test_a_plain_secret_must_be_one(cafe, noon):
    with pytest.raises(connections.InvalidConnection):
        connect(cafe, at=noon, kind="plain", secret="whsec_" + base64.b64encode(b"short").decode())
    assert connect(cafe, at=noon, kind="plain", secret=PLAIN_SECRET).pk


def test_an_unknown_option_is_refused_by_name(cafe, noon):
    with pytest.raises(connections.InvalidConnection, match="settle"):
        connect(cafe, at=noon, options={"settle": 5})
