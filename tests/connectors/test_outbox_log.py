"""Outgoing webhooks over TLS, sent again, forgotten; and what the guide promises."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from connectors import endpoints, kinds, outbox
from connectors.models import WebhookDelivery
from customers import erasure, people
from tests.connectors.receiver import Receiver, bodies, certificate, states

pytestmark = pytest.mark.core


# --- https ----------------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    from lib import outward

    pem, context = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    outward._trust.cache_clear()
    yield context
    outward._trust.cache_clear()


def test_https_checks_the_name_and_not_the_address(cafe, adjust, at_home, hear, relay, due, trusted):
    good, bad = Receiver(tls=trusted), Receiver(tls=trusted, name="127.0.0.1")
    hear(good.url, wanted=["points.*"])
    hear(bad.url, wanted=["points.*"])
    adjust()
    relay()
    due()
    good.close()
    bad.close()

    assert len(good.got) == 1
    assert good.got[0][0]["host"] == f"localhost:{good.server.server_port}"
    assert bad.got == []
    assert "certificate" in WebhookDelivery.objects.get(state="failed").log[0]["note"]


# --- again, and no more ---------------------------------------------------------------------------------


def test_it_is_sent_again_by_hand(cafe, adjust, receiver, hear, relay, due, noon):
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    due()
    outbox.resend(delivery=WebhookDelivery.objects.get(), at=noon)
    outbox.resend(delivery=WebhookDelivery.objects.get(), at=noon)

    assert due() == 1
    assert len(receiver.got) == 2
    assert len(set(receiver.ids)) == 1
    assert len(WebhookDelivery.objects.get().log) == 2


def test_nothing_is_sent_again_to_an_endpoint_that_is_off(cafe, adjust, receiver, hear, relay, due, noon):
    endpoint, _ = hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    due()
    endpoints.change(endpoint=endpoint, at=noon, is_on=False)

    with pytest.raises(outbox.EndpointOff):
        outbox.resend(delivery=WebhookDelivery.objects.get(), at=noon)
    assert outbox.resend_all(deliveries=WebhookDelivery.objects.all(), at=noon) == 0


def test_erasure_empties_what_was_said_and_stops_what_was_not(
    cafe, ana, adjust, receiver, hear, relay, due, noon
):
    hear(receiver.url, wanted=["points.*", "customer.erased"])
    adjust()
    relay()
    due()
    adjust()
    relay()
    people.change(customer=ana, at=noon, by="test", name="Ana Maria")
    erasure.erase(customer=ana, at=noon, by="test")

    assert set(WebhookDelivery.objects.values_list("body", "excerpt")) == {("", "")}
    assert sorted(states()) == ["dead", "delivered"]
    relay()
    due()
    last = bodies(receiver)[-1]
    assert last["type"] == "customer.erased"
    assert last["data"]["customer"]["email"] is None
    assert "ana" not in json.dumps(last).lower()
    with pytest.raises(outbox.BodyGone):
        outbox.resend(delivery=WebhookDelivery.objects.filter(state="dead").get(), at=noon)


def test_bodies_are_kept_for_thirty_days(cafe, adjust, receiver, hear, relay, due, noon):
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    due()
    now = timezone.now()

    assert outbox.empty_bodies(at=now + timedelta(days=29)) == 0
    assert outbox.empty_bodies(at=now + timedelta(days=31)) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.body, delivery.excerpt, len(delivery.log)) == ("", "", 1)


def test_a_lease_that_ran_out_is_taken_by_another(cafe, adjust, receiver, hear, relay, due, noon):
    endpoint, _ = hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    assert len(outbox._claim(endpoint, at=noon)) == 1  # and the worker dies

    assert due(seconds=100) == 0
    assert due(seconds=181) == 1
    assert states() == ["delivered"]


# --- the guide ------------------------------------------------------------------------------------------


def test_the_guides_receiver_works(cafe, adjust, receiver, hear, relay):
    guide = (settings.BASE_DIR / "docs/guides/webhooks.md").read_text()
    code = guide.partition("```python\n")[2].partition("```")[0]
    names = {}
    exec(code, names)  # noqa: S102  (our own guide)
    _, secret = hear(receiver.url, wanted=["points.*"])
    adjust(5)
    relay()
    outbox.send_due(at=timezone.now())
    [(headers, body)] = receiver.got
    seen = set()

    assert names["receive"](secret, body, headers, seen)["data"]["points"] == 5
    assert names["receive"](secret, body, headers, seen) is None
    with pytest.raises(WebhookVerificationError):
        names["receive"](secret, body + b" ", headers, seen)


def test_the_guide_names_every_event_with_its_fields():
    guide = (settings.BASE_DIR / "docs/guides/webhooks.md").read_text()
    for kind, fields in kinds.PUBLIC.items():
        assert f"| `{kind}` | {', '.join(f'`{name}`' for name in fields) or '–'} |" in guide
