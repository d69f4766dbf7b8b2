"""Outgoing webhooks at the API: made, changed, rotated, tried, sent again."""

import pytest

from api.models import IdempotencyAnswer
from connectors import endpoints, outbox
from connectors.models import WebhookDelivery, WebhookEndpoint
from customers import journey
from lib.public_ids import show
from tests.api.conftest import V1

URL = "https://1.1.1.1/hooks"


@pytest.fixture
def made(till):
    return till.post(f"{V1}/webhook-endpoints", {"url": URL, "kinds": ["points.*", "tier.changed"]}).json()


def test_it_is_made_with_a_secret_that_is_said_once(till, made, cafe):
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["kinds"], made["is_on"]) == (URL, ["points.*", "tier.changed"], True)

    read = till.get(f"{V1}/webhook-endpoints/{made['id']}").json()

    assert "secret" not in read
    assert made == read | {"secret": made["secret"]}
    assert endpoints.is_wanted(cafe.pk, "points.adjusted")


def test_a_kept_answer_does_not_keep_the_secret(till, cafe):
    said = {"url": URL, "kinds": ["*"]}
    first = till.post(f"{V1}/webhook-endpoints", said, HTTP_IDEMPOTENCY_KEY="one")
    again = till.post(f"{V1}/webhook-endpoints", said, HTTP_IDEMPOTENCY_KEY="one")

    assert again.status_code == first.status_code == 201
    assert again.json() == first.json() | {"secret": None}
    assert first.json()["secret"] not in str(list(IdempotencyAnswer.objects.values()))
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"url": "http://1.1.1.1/hooks"}, "/url"),
        ({"url": "https://127.0.0.1/hooks"}, "/url"),
        ({"url": "https://169.254.169.254/latest"}, "/url"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "/url"),
        ({"url": "https://me:secret@1.1.1.1/"}, "/url"),
        ({"url": "ftp://1.1.1.1/"}, "/url"),
        ({"url": "https://1.1.1.1:99999/"}, "/url"),
        ({"kinds": []}, "/kinds"),
        ({"kinds": ["point.*"]}, "/kinds/0"),
        ({"kinds": ["page.viewed"]}, "/kinds/0"),
        ({"filters": {"points": "10"}}, "/filters/points"),
        ({"filters": {"points": {"least": 1}}}, "/filters/points"),
        ({"mapping": {"mail": ""}}, "/mapping/mail"),
        ({"secret": "mine"}, "/secret"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(till, cafe, wrong, pointer):
    answer = till.post(f"{V1}/webhook-endpoints", {"url": URL, "kinds": ["*"]} | wrong)

    assert answer.status_code == 400, answer.json()
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert WebhookEndpoint.objects.count() == 0


def test_it_is_changed_switched_and_deleted(till, made):
    path = f"{V1}/webhook-endpoints/{made['id']}"
    changed = till.patch(path, {"description": "CRM", "kinds": ["*"], "is_on": False}).json()
    assert (changed["description"], changed["kinds"], changed["is_on"]) == ("CRM", ["*"], False)
    assert changed["disabled_reason"] == "staff"
    assert till.post(f"{path}/test").json()["code"] == "endpoint_off"
    assert till.patch(path, {"is_on": True}).json()["disabled_reason"] is None
    till.post(f"{path}/test")

    assert till.delete(path).status_code == 204
    assert till.get(path).status_code == 404
    assert WebhookDelivery.objects.count() == 0


def test_rotation_answers_the_new_secret(till, made):
    path = f"{V1}/webhook-endpoints/{made['id']}/rotate-secret"
    rotated = till.post(path, {"overlap_hours": 24}).json()

    assert rotated["secret"] not in (None, made["secret"])
    assert rotated["previous_secret_until"] is not None
    assert till.post(path, {"overlap_hours": 9999}).status_code == 400


def test_a_test_is_logged_and_sent_again(till, made):
    path = f"{V1}/webhook-endpoints/{made['id']}"
    sent = till.post(f"{path}/test")
    assert sent.status_code == 202
    assert (sent.json()["type"], sent.json()["state"]) == ("webhook.test", "queued")
    WebhookDelivery.objects.update(state="dead", attempts=10)

    again = till.post(f"{V1}/deliveries/{sent.json()['id']}/resend")

    assert again.status_code == 202
    assert (again.json()["state"], again.json()["attempts"]) == ("queued", 0)
    [listed] = till.get(f"{path}/deliveries").json()["results"]
    assert listed["event"] == sent.json()["event"]
    assert till.get(f"{path}/deliveries?state=dead").json()["results"] == []


def test_the_log_costs_the_same_for_many(till, made, cafe, noon, django_assert_num_queries):
    endpoint = WebhookEndpoint.objects.select_related("merchant").get()
    path = f"{V1}/webhook-endpoints/{made['id']}/deliveries"
    till.get(path)
    for _ in range(20):
        outbox.test(endpoint=endpoint, at=noon)

    with django_assert_num_queries(2):
        assert len(till.get(path).json()["results"]) == 20


def test_there_is_a_most(till, cafe, monkeypatch):
    monkeypatch.setattr(endpoints, "MOST", 1)
    said = {"url": URL, "kinds": ["*"]}
    assert till.post(f"{V1}/webhook-endpoints", said).status_code == 201
    assert till.post(f"{V1}/webhook-endpoints", said).json()["code"] == "too_many_endpoints"


def test_the_outsiders_list_is_empty(outsider_till, made):
    assert outsider_till.get(f"{V1}/webhook-endpoints").json()["results"] == []


def test_an_event_is_listed_with_its_customer(till, made, ana, noon):
    from loyalty import adjustments

    adjustments.adjust(customer=ana, points=5, reason="kind", reference="A-1", at=noon, by="test")
    journey.relay(at=noon)

    [listed] = till.get(f"{V1}/webhook-endpoints/{made['id']}/deliveries").json()["results"]

    assert listed["customer"] == ana.public_id
    assert listed["event"] == show("tpt", int(listed["sequence"]))
