"""Outgoing webhooks, to a real receiver: what is queued, how it is sent, and when it is given up."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from connectors import carriage, endpoints, notices, outbox
from connectors.models import WebhookDelivery, WebhookEndpoint
from customers.models import Touchpoint
from lib import db
from loyalty import purchases
from tests.connectors.receiver import Receiver, bodies, states
from tests.mail import post_office  # noqa: F401

pytestmark = pytest.mark.core


# --- what is told ---------------------------------------------------------------------------------------


def test_a_sale_is_told_with_its_customer(cafe, ana, sale, receiver, hear, relay, due, noon):
    hear(receiver.url, wanted=["purchase.*"])
    purchases.record(merchant=cafe, sale=sale(1299), at=noon)
    relay()

    assert due() == 1

    [said] = bodies(receiver)
    touchpoint = Touchpoint.objects.get(kind="purchase.recorded")
    assert said["id"] == touchpoint.public_id == receiver.ids[0]
    assert said["type"] == "purchase.recorded"
    assert said["test"] is True
    assert said["sequence"] == f"{touchpoint.pk:019d}"
    data = said["data"]
    assert data["customer"]["id"] == ana.public_id
    assert data["customer"]["email"] == "ana@example.com"
    assert (data["amount_minor"], data["currency"], data["points"]) == (1299, "EUR", 12)
    assert data["purchase"].startswith("pur_")
    assert states() == ["delivered"]


def test_an_event_told_twice_is_queued_once(cafe, adjust, receiver, hear, relay, due, noon):
    hear(receiver.url)
    adjust()
    touchpoints = list(Touchpoint.objects.filter(kind="points.adjusted").select_related("merchant"))
    for _ in range(2):
        db.command(outbox.queue_for)(touchpoints, noon)

    assert due() == 1
    assert due() == 0
    assert len(receiver.got) == 1


def test_a_merchant_without_endpoints_keeps_nothing_for_the_relay(
    cafe, sale, bar_nilo, receiver, hear, noon, relay
):
    hear(receiver.url, merchant=bar_nilo)
    purchases.record(merchant=cafe, sale=sale(500), at=noon)

    assert Touchpoint.objects.get(kind="purchase.recorded").relayed_at == noon
    assert WebhookDelivery.objects.count() == 0


def test_a_purchase_sends_no_more_statements_with_an_endpoint(cafe, sale, receiver, hear, noon):
    purchases.record(merchant=cafe, sale=sale(500), at=noon)
    with db.watching() as before:
        purchases.record(merchant=cafe, sale=sale(500), at=noon)
    hear(receiver.url)
    endpoints.is_wanted(cafe.pk, "purchase.recorded")
    with db.watching() as after:
        purchases.record(merchant=cafe, sale=sale(500), at=noon)

    assert after.statements == before.statements
    assert Touchpoint.objects.filter(kind="purchase.recorded", relayed_at=None).count() == 1


def test_queueing_costs_the_same_for_many(cafe, adjust, receiver, hear, noon):
    for _ in range(3):
        hear(receiver.url)
    for _ in range(20):
        adjust()
    touchpoints = list(Touchpoint.objects.filter(kind="points.adjusted").select_related("merchant"))

    with db.watching() as seen:
        db.command(outbox.queue_for)(touchpoints, noon)

    assert WebhookDelivery.objects.count() == 60
    assert seen.statements == 3


def test_only_the_wanted_kinds_pass_the_filters(cafe, adjust, receiver, hear, relay, due):
    hear(receiver.url, wanted=["points.adjusted"], filters={"points": {"min": 10}})
    adjust(5)
    adjust(15)
    relay()
    due()

    assert [said["data"]["points"] for said in bodies(receiver)] == [15]


def test_fields_are_renamed_and_chosen(cafe, adjust, receiver, hear, relay, due):
    hear(
        receiver.url,
        wanted=["points.*"],
        mapping={"mail": "customer.email", "beans": "points", "x": "no.such"},
    )
    adjust(5)
    relay()
    due()

    assert bodies(receiver)[0]["data"] == {"mail": "ana@example.com", "beans": 5, "x": None}


def test_the_outsider_hears_nothing_of_the_cafe(cafe, bar_nilo, bo, adjust, receiver, hear, relay, due):
    hear(receiver.url, merchant=bar_nilo)
    adjust(5)
    adjust(7, customer=bo)
    relay()
    due()

    assert [said["data"]["points"] for said in bodies(receiver)] == [7]


# --- signatures -----------------------------------------------------------------------------------------


def test_the_schemes_own_library_verifies_it(cafe, adjust, receiver, hear, relay):
    _, secret = hear(receiver.url)
    adjust(5)
    relay()
    outbox.send_due(at=timezone.now())

    assert receiver.verified(secret)["type"] == "points.adjusted"
    with pytest.raises(WebhookVerificationError):
        receiver.verified(endpoints.new_secret())


def test_while_a_secret_is_rotated_both_are_good(cafe, adjust, receiver, hear, relay):
    endpoint, old = hear(receiver.url, wanted=["points.*"])
    now = timezone.now()
    new = endpoints.rotate(endpoint=endpoint, at=now - timedelta(hours=1), overlap=timedelta(hours=2))
    adjust(1)
    relay()
    outbox.send_due(at=now)
    assert new != old
    assert receiver.verified(old) == receiver.verified(new)

    WebhookEndpoint.objects.update(previous_until=now - timedelta(seconds=1))
    adjust(2)
    relay()
    outbox.send_due(at=timezone.now())
    receiver.verified(new)
    with pytest.raises(WebhookVerificationError):
        receiver.verified(old)


def test_secrets_are_sealed_in_the_database(cafe, receiver, hear):
    endpoint, secret = hear(receiver.url)
    endpoint.refresh_from_db()

    assert secret not in str(vars(endpoint))


# --- failures -------------------------------------------------------------------------------------------


def test_it_is_tried_again_under_the_same_id(cafe, adjust, receiver, hear, relay, due):
    receiver.answers = [500, 502, 200]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()

    assert due() == 1
    assert due() == 0
    assert due(seconds=8) == 1
    assert due(minutes=1) == 0
    assert due(minutes=7) == 1

    assert len(set(receiver.ids)) == 1
    assert len({body for _, body in receiver.got}) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("delivered", 3)
    assert [line["status"] for line in delivery.log] == [500, 502, 200]


def test_it_is_tried_for_three_days_and_then_given_up_with_a_letter(
    cafe,
    owner,
    adjust,
    receiver,
    hear,
    relay,
    noon,
    post_office,  # noqa: F811
):
    owner.email = "mira@example.com"
    owner.save()
    receiver.answers = [500]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    delivery, at = WebhookDelivery.objects.get(), noon
    while delivery.state in ("queued", "failed"):
        at = delivery.next_at
        outbox.send_due(at=at)
        delivery.refresh_from_db()
        if delivery.state == "failed":
            assert WebhookEndpoint.objects.get().is_on
            assert notices.tell(at=at) == 0

    assert delivery.state == "dead"
    assert delivery.attempts == len(carriage.PAUSES) + 1 == len(receiver.got)
    assert timedelta(days=3) <= at - noon <= timedelta(days=3.4)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_on, endpoint.disabled_reason) == (False, "failing")
    assert notices.tell(at=at) == 1
    assert notices.tell(at=at) == 0
    [letter] = post_office.letters
    assert letter.recipients == ["mira@example.com"]
    assert receiver.url in post_office.text().replace("=\n", "")


def test_a_success_in_between_keeps_it_on(cafe, adjust, receiver, hear, relay, due):
    hear(receiver.url, wanted=["points.*"])
    receiver.answers = [500, 200, 500]
    for n in range(3):
        adjust()
        relay()
        due(days=n * 2)

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.is_on
    assert endpoint.failing_since is not None


def test_gone_switches_it_off_at_once(cafe, adjust, receiver, hear, relay, due):
    receiver.answers = [410]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    adjust()
    relay()

    assert due() == 1
    assert due(days=1) == 0
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_on, endpoint.disabled_reason) == (False, "gone")
    assert sorted(states()) == ["dead", "queued"]
    assert not endpoints.is_wanted(cafe.pk, "points.adjusted")


def test_what_waits_is_sent_once_it_is_on_again(cafe, adjust, receiver, hear, relay, due, noon):
    endpoint, _ = hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    endpoints.change(endpoint=endpoint, at=noon, is_on=False)
    assert due() == 0
    endpoints.change(endpoint=endpoint, at=noon, is_on=True)
    assert due() == 1


def test_a_busy_receiver_is_left_alone_as_long_as_it_asks(cafe, adjust, receiver, hear, relay, due):
    receiver.answers = [(503, {"Retry-After": "3600"}, b""), 200]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    due()

    assert due(minutes=59) == 0
    assert due(minutes=61) == 1


def test_a_redirect_is_not_followed(cafe, adjust, receiver, hear, relay, due):
    other = Receiver()
    receiver.answers = [(302, {"Location": other.url}, b"")]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    due()
    other.close()

    assert other.got == []
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.last_status) == ("failed", 302)
    assert "redirect" in delivery.log[0]["note"]


def test_a_slow_endpoint_holds_up_nobody(cafe, bar_nilo, bo, adjust, receiver, hear, relay, due, monkeypatch):
    monkeypatch.setattr("lib.outward.READ_SECONDS", 1.0)
    slow = Receiver()
    slow.delay = 3.0
    hear(slow.url, wanted=["points.*"])
    hear(receiver.url, wanted=["points.*"], merchant=bar_nilo)
    for _ in range(20):
        adjust()
        adjust(customer=bo)
    relay()
    began = time.monotonic()
    due()
    took = time.monotonic() - began
    slow.close()

    assert len(receiver.got) == 20
    assert took < 2.5
    waiting = WebhookDelivery.objects.filter(merchant=cafe)
    assert waiting.filter(attempts=1, state="failed").count() == 1
    assert waiting.filter(attempts=0, state="queued").count() == 19


def test_one_that_drips_is_cut_off(cafe, adjust, receiver, hear, relay, due, monkeypatch):
    monkeypatch.setattr("lib.outward.WHOLE_SECONDS", 1.0)

    def drip(handler):
        for _ in range(100):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.1)

    receiver.answers = [drip]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    relay()
    began = time.monotonic()
    due()

    assert time.monotonic() - began < 4
    assert WebhookDelivery.objects.get().log[0]["note"] == "no whole answer in time"


def test_a_long_answer_is_not_read(cafe, adjust, receiver, hear, relay, due):
    receiver.answers = [(200, {}, b"x" * 5_000_000)]
    hear(receiver.url, wanted=["points.*"])
    adjust()
    adjust()
    relay()

    assert due() == 2
    assert states() == ["delivered", "delivered"]
    assert len(WebhookDelivery.objects.first().excerpt) == 500


def test_nobody_there_is_a_failure(cafe, adjust, receiver, hear, relay, due):
    hear(receiver.url, wanted=["points.*"])
    receiver.close()
    adjust()
    relay()
    due()

    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.last_status) == ("failed", None)
    assert delivery.log[0]["note"] == "the connection was refused"
