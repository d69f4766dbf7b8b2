"""Connections and messages in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from connectors.models import Connection, InboundEvent
from lib import secrets
from tests.connectors.conftest import STRIPE_SECRET, connect
from tests.connectors.shapes import event, session

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(owner):
    browser = Client()
    browser.force_login(owner)
    return browser


CHANGES = reverse("admin:connectors_connection_changelist")
EVENTS = reverse("admin:connectors_inboundevent_changelist")


def page(connection):
    return reverse("admin:connectors_connection_change", args=[connection.pk])


SAID = {
    "code": "main",
    "kind": "stripe",
    "secret": STRIPE_SECRET,
    "enroll": "always",
    "options": "{}",
    "is_active": "on",
}


def test_an_owner_connects_stripe(cafe, desk):
    answer = desk.post(reverse("admin:connectors_connection_add"), SAID, follow=True)

    assert answer.status_code == 200
    connection = Connection.objects.get()
    assert (connection.merchant, connection.kind, connection.enroll) == (cafe, "stripe", "always")
    assert secrets.open(connection.secret_sealed) == STRIPE_SECRET
    assert STRIPE_SECRET not in answer.text


def test_the_page_shows_the_address_and_never_the_secret(stripe, desk):
    text = desk.get(page(stripe)).text

    assert "/hooks/stripe/cafe-mira/main" in text
    assert STRIPE_SECRET not in text
    assert stripe.secret_sealed not in text


def test_saving_without_a_secret_keeps_it(stripe, desk):
    desk.post(page(stripe), {**SAID, "secret": "", "enroll": "never"})

    before = stripe.secret_sealed
    stripe.refresh_from_db()
    assert (stripe.secret_sealed, stripe.enroll, stripe.previous_sealed) == (before, "never", "")


def test_a_new_secret_keeps_the_one_before_for_a_while(stripe, desk):
    desk.post(page(stripe), {**SAID, "secret": "whsec_the_new_one"})

    stripe.refresh_from_db()
    assert secrets.open(stripe.secret_sealed) == "whsec_the_new_one"
    assert secrets.open(stripe.previous_sealed) == STRIPE_SECRET


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"secret": ""}, "needs its signing secret"),
        ({"secret": "sk_live_1234567890"}, "not the signing secret"),
        ({"options": '{"settle": 1}'}, "settle"),
        ({"options": "[1]"}, "in braces"),
        ({"kind": "square"}, "square"),
    ],
)
def test_what_is_wrong_is_said_in_words(cafe, desk, change, told):
    answer = desk.post(reverse("admin:connectors_connection_add"), {**SAID, **change})

    assert answer.status_code == 200
    assert told in answer.text
    assert not Connection.objects.exists()


@pytest.fixture
def failed(ana, stripe, post):
    post(stripe, event("checkout.session.completed", session()))
    InboundEvent.objects.update(status="failed", tries=12, error="RuntimeError: mended since")
    return InboundEvent.objects.get()


def test_a_failed_message_is_shown_and_tried_again(failed, desk, drain, points, ana):
    assert "mended since" in desk.get(EVENTS).text
    assert "pi_1" in desk.get(reverse("admin:connectors_inboundevent_change", args=[failed.pk])).text

    desk.post(EVENTS, {"action": "try_again", "_selected_action": [failed.pk]})

    failed.refresh_from_db()
    assert (failed.status, failed.tries) == ("waiting", 0)


def test_an_analyst_may_look_but_not_try_again(failed, analyst):
    browser = Client()
    browser.force_login(analyst)

    assert browser.get(EVENTS).status_code == 200
    browser.post(EVENTS, {"action": "try_again", "_selected_action": [failed.pk]})

    failed.refresh_from_db()
    assert failed.status == "failed"


def test_an_outsiders_message_is_not_tried_again(bar_nilo, failed, desk, noon):
    theirs = connect(bar_nilo, at=noon)
    InboundEvent.objects.update(merchant=bar_nilo, connection=theirs)

    desk.post(EVENTS, {"action": "try_again", "_selected_action": [failed.pk]})

    failed.refresh_from_db()
    assert failed.status == "failed"
    assert "mended since" not in desk.get(EVENTS).text


def test_the_list_costs_the_same_whatever_its_length(ana, stripe, post, desk, django_assert_max_num_queries):
    for n in range(12):
        post(stripe, event("checkout.session.completed", session(n)))
    with django_assert_max_num_queries(12):
        desk.get(EVENTS)
