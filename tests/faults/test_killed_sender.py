"""A worker that is killed while it sends webhooks: everything arrives, under the same ids."""

import time

import pytest
from django.utils import timezone

from connectors import endpoints, outbox
from connectors.models import WebhookDelivery, WebhookEndpoint
from tests.connectors.receiver import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.core]
MANY = 120

SEND = """
from django.conf import settings
from django.utils import timezone
settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
from connectors import outbox
while outbox.send_due(at=timezone.now()):
    pass
"""


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def queued(cafe, receiver):
    endpoint, _ = endpoints.add(merchant=cafe, url=receiver.url, kinds=["*"], at=timezone.now())
    for _ in range(MANY):
        outbox.test(endpoint=endpoint, at=timezone.now())
    return endpoint


def test_a_killed_sender_loses_nothing(queued, receiver, worker):
    receiver.delay = 0.02
    process = worker(SEND)
    until = time.monotonic() + 60
    while len(receiver.got) < 10 and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    receiver.delay = 0.0

    leased = WebhookDelivery.objects.filter(state="sending")
    assert leased.exists()
    assert outbox.send_due(at=timezone.now()) <= MANY - leased.count()
    while outbox.send_due(at=timezone.now() + outbox.LEASE):
        pass

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert len(set(receiver.ids)) == MANY
    assert len(receiver.ids) > MANY  # what it had sent and not yet marked came twice, under the same id


def test_two_senders_share_the_work(queued, receiver, worker):
    receiver.delay = 0.01
    for process in [worker(SEND) for _ in range(2)]:
        assert process.wait(60) == 0

    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert len(receiver.ids) == len(set(receiver.ids)) == MANY
    assert WebhookEndpoint.objects.get().failing_since is None
