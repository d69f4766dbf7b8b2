"""A worker that is killed in the middle of a drain loses nothing and awards nothing twice."""

import time

import pytest

from connectors.models import InboundEvent
from loyalty.ledger.proof import differences
from loyalty.models import Purchase
from tests.connectors.shapes import event, session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.core]
SALES, BATCH = 80, 10

DRAIN = f"""
import time
from datetime import UTC, datetime
from connectors import inbox
noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
{{before}}
while inbox.drain(at=noon, limit={BATCH}).taken:
    pass
"""
# Killed wherever it happens to be, and exactly between what was recorded and what would have been marked.
MOMENTS = {
    "anywhere": "",
    "before the messages are marked": "inbox._mark = lambda *args, **more: time.sleep(600)",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_worker_is_repeated_harmlessly(moment, ana, stripe, post, drain, points, worker):
    for n in range(1, SALES + 1):
        post(stripe, event("checkout.session.completed", session(n, customer="cus_1")))

    process = worker(DRAIN.format(before=MOMENTS[moment]))
    until = time.monotonic() + 60
    while Purchase.objects.count() < BATCH and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()

    recorded = Purchase.objects.count()
    assert BATCH <= recorded < SALES
    assert InboundEvent.objects.filter(status="waiting").exists()
    drain(minutes=3)

    assert set(InboundEvent.objects.values_list("status", flat=True)) == {"done"}
    assert Purchase.objects.count() == SALES
    assert points(ana, minutes=3) == sum(Purchase.objects.values_list("points_earned", flat=True))
    assert list(differences()) == []


def test_two_workers_share_the_inbox(ana, stripe, post, points, worker):
    for n in range(1, SALES + 1):
        post(stripe, event("checkout.session.completed", session(n, customer="cus_1")))

    for process in [worker(DRAIN.format(before="")) for _ in range(2)]:
        assert process.wait(60) == 0

    assert set(InboundEvent.objects.values_list("status", "tries")) == {("done", 1)}
    assert Purchase.objects.count() == SALES
    assert points(ana) == sum(Purchase.objects.values_list("points_earned", flat=True))
    assert list(differences()) == []
