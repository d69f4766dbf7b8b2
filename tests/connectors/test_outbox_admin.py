"""Webhook endpoints in the admin: the secret is shown once, the log is read, what failed is sent again."""

import re

import pytest
from django.urls import reverse

from connectors import endpoints, outbox
from connectors.models import WebhookDelivery, WebhookEndpoint
from lib import secrets
from tests.cast import staff_of

URL = "https://1.1.1.1/hooks"
LIST = "/admin/connectors/webhookendpoint/"
LOG = "/admin/connectors/webhookdelivery/"


@pytest.fixture
def desk(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture
def endpoint(cafe, noon):
    return endpoints.add(merchant=cafe, url=URL, kinds=["points.*"], at=noon)[0]


def form(**more):
    return {
        "url": URL,
        "wanted": "points.*\ntier.changed",
        "filters": "{}",
        "mapping": "{}",
        "is_on": "on",
    } | more


def shown_secret(answer):
    return re.search(r"whsec_[A-Za-z0-9+/=]+", answer.content.decode())[0]


def test_the_secret_is_shown_once_when_it_is_made(desk, cafe):
    answer = desk.post(f"{LIST}add/", form())

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.kinds == ["points.*", "tier.changed"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert shown_secret(answer) == secrets.open(endpoint.secret_sealed)
    page = desk.get(f"{LIST}{endpoint.pk}/change/").content.decode()
    assert "whsec_" not in page
    assert endpoint.secret_sealed not in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://10.0.0.1/"},
        {"url": "http://1.1.1.1/"},
        {"wanted": "nonsense"},
        {"filters": '{"points": 1}'},
        {"mapping": "[1]"},
    ],
)
def test_what_cannot_be_an_endpoint_is_said_at_its_field(desk, cafe, wrong):
    answer = desk.post(f"{LIST}add/", form(**wrong))

    assert answer.status_code == 200
    assert next(iter(wrong)) in answer.context["adminform"].form.errors
    assert WebhookEndpoint.objects.count() == 0


def test_it_is_switched_off_and_on(desk, endpoint, noon):
    desk.post(f"{LIST}{endpoint.pk}/change/", {k: v for k, v in form().items() if k != "is_on"})
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.disabled_reason) == (False, "staff")

    desk.post(f"{LIST}{endpoint.pk}/change/", form())
    endpoint.refresh_from_db()
    assert (endpoint.is_on, endpoint.disabled_reason, endpoint.disabled_at) == (True, "", None)


def test_a_new_secret_is_shown_once(desk, endpoint):
    address = reverse("admin:connectors_webhookendpoint_rotate", args=[endpoint.pk])
    assert desk.get(address).status_code == 200

    answer = desk.post(address, {"overlap_hours": 10})

    endpoint.refresh_from_db()
    assert shown_secret(answer) == secrets.open(endpoint.secret_sealed)
    assert endpoint.previous_until is not None


def test_a_test_is_sent_and_sent_again_from_the_log(desk, endpoint):
    desk.post(reverse("admin:connectors_webhookendpoint_test", args=[endpoint.pk]))
    delivery = WebhookDelivery.objects.get()
    WebhookDelivery.objects.update(
        state="dead",
        attempts=10,
        log=[{"at": "2026-05-01T12:00:00", "status": None, "ms": 3, "note": "gone"}],
    )
    assert "gone" in desk.get(f"{LOG}{delivery.pk}/change/").content.decode()

    desk.post(LOG, {"action": "send_again", "_selected_action": [delivery.pk]})

    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("queued", 0)


def test_what_was_switched_off_is_said_on_the_start_page(desk, endpoint, noon):
    words = "Webhook endpoints were switched off"
    WebhookEndpoint.objects.update(is_on=False, disabled_at=noon, disabled_reason="failing")
    assert words in desk.get("/admin/").content.decode()
    assert "It failed for three days" in desk.get(f"{LIST}{endpoint.pk}/change/").content.decode()


def test_deleting_takes_the_log_along(desk, endpoint, noon):
    outbox.test(endpoint=endpoint, at=noon)
    desk.post(f"{LIST}{endpoint.pk}/delete/", {"post": "yes"})

    assert WebhookEndpoint.objects.count() == WebhookDelivery.objects.count() == 0


def test_the_outsider_reaches_none_of_it(client, bar_nilo, endpoint, noon):
    client.force_login(staff_of(bar_nilo, "owner"))
    delivery = outbox.test(endpoint=endpoint, at=noon)
    WebhookDelivery.objects.update(state="dead")

    for page in ("change", "rotate", "test", "delete"):
        client.post(f"{LIST}{endpoint.pk}/{page}/", form(overlap_hours=1, post="yes"))
    client.post(LOG, {"action": "send_again", "_selected_action": [delivery.pk]})

    assert WebhookEndpoint.objects.get().previous_until is None
    assert list(WebhookDelivery.objects.values_list("state", flat=True)) == ["dead"]
    assert URL not in client.get(LIST).content.decode()


def test_the_log_costs_the_same_for_many(desk, endpoint, noon, django_assert_max_num_queries):
    for _ in range(20):
        outbox.test(endpoint=endpoint, at=noon)
    desk.get(LOG)
    with django_assert_max_num_queries(12):
        desk.get(LOG)
