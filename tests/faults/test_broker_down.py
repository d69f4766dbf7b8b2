"""Without a broker messages are stored as fast as ever, and the sweep finds them."""

import time

import pytest
from celery import current_app
from django.utils import timezone

from connectors import tasks
from connectors.models import InboundEvent
from lib import wake
from tests.connectors.shapes import event, session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.core]


@pytest.fixture
def no_broker(monkeypatch):
    wake._disconnect()
    monkeypatch.setattr(wake, "_not_before", {})
    monkeypatch.setattr(wake, "_broker_not_before", 0.0)
    for name in ("broker_write_url", "broker_url"):
        monkeypatch.setattr(current_app.conf, name, "redis+socket:///nowhere/at/all.sock?virtual_host=0")
    yield
    wake._disconnect()


def test_a_message_is_stored_without_a_broker_and_found_by_the_sweep(
    ana, stripe, post, points, no_broker, noon
):
    now = timezone.now()
    started = time.monotonic()
    for n in (1, 2, 3):
        message = event("checkout.session.completed", session(n, customer="cus_1"), at=now)
        assert post(stripe, message, at=now).json() == {"status": "stored"}
    assert time.monotonic() - started < 5

    tasks.drain()

    assert set(InboundEvent.objects.values_list("status", flat=True)) == {"done"}
    assert points(ana, days=(now - noon).days + 1) == 36
