"""Working through the inbox: leases, poison, pauses, giving up, trying again."""

from datetime import timedelta

import pytest

from connectors import inbox, posting
from connectors.models import InboundEvent
from lib import db
from loyalty.models import Purchase
from merchants.models import Store
from tests.connectors.conftest import connect
from tests.connectors.shapes import event, session

pytestmark = [pytest.mark.django_db, pytest.mark.core]


def paid(n):
    return event("checkout.session.completed", session(n, customer="cus_1"))


def test_a_batch_costs_the_same_statements_whatever_its_size(ana, stripe, post, noon):
    counted = []
    for numbers in (range(1, 3), range(10, 40)):
        for n in numbers:
            post(stripe, paid(n))
        inbox.drain(at=noon) if not counted else None
        with db.watching() as watch:
            inbox.drain(at=noon)
        counted.append(watch.statements)
    many = counted[1]
    assert Purchase.objects.count() == 32
    assert many <= 40


def test_a_message_under_a_lease_is_nobody_elses(ana, stripe, post, noon, points):
    post(stripe, paid(1))
    inbox._claim(at=noon, merchant=None, limit=10)  # a worker that took it and died

    assert inbox.drain(at=noon + timedelta(seconds=119)).taken == 0
    assert inbox.drain(at=noon + timedelta(seconds=121)).done == 1
    assert points(ana) == 12


def test_a_worker_that_died_before_marking_is_repeated_harmlessly(
    ana, stripe, post, noon, points, monkeypatch
):
    post(stripe, paid(1))

    def dies(*args, **kwargs):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_mark", dies)
        with pytest.raises(SystemExit):
            inbox.drain(at=noon)
    assert points(ana) == 12
    assert InboundEvent.objects.get().status == "waiting"

    assert inbox.drain(at=noon + timedelta(minutes=3)).done == 1
    assert (points(ana), Purchase.objects.count()) == (12, 1)


@pytest.fixture
def poison(monkeypatch):
    """A message of sale 13 breaks whatever touches it."""
    read = posting._read

    def breaks(source, event, **more):
        if "cs_13" in event.event_id:
            raise RuntimeError("thirteen")
        return read(source, event, **more)

    monkeypatch.setattr(posting, "_read", breaks)


def test_a_poisonous_message_harms_only_itself(ana, stripe, post, noon, points, poison):
    for n in (12, 13, 14):
        post(stripe, paid(n))

    counts = inbox.drain(at=noon)

    assert (counts.done, counts.waiting) == (2, 1)
    assert points(ana) == 24
    row = InboundEvent.objects.get(status="waiting")
    assert row.error == "RuntimeError: thirteen"
    assert noon + timedelta(seconds=10) <= row.due_at <= noon + timedelta(seconds=11)


def test_a_message_that_keeps_breaking_is_given_up_after_twelve_tries(ana, stripe, post, noon, poison):
    post(stripe, paid(13))
    at, pauses = noon, []
    for _ in range(11):
        inbox.drain(at=at)
        row = InboundEvent.objects.get()
        assert row.status == "waiting"
        pauses.append((row.due_at - at).total_seconds())
        at = row.due_at
    inbox.drain(at=at)

    row.refresh_from_db()
    assert (row.status, row.tries) == ("failed", 12)
    assert all(10 * 2**n <= pause <= 11 * 2**n for n, pause in enumerate(pauses[:5]))
    assert max(pauses) <= 3600 * 1.1


def test_somebody_may_try_a_failed_message_again(ana, stripe, post, noon, points):
    post(stripe, paid(1))
    InboundEvent.objects.update(status="failed", tries=12, error="RuntimeError: mended since")

    assert inbox.try_again(events=InboundEvent.objects.all(), at=noon) == 1
    inbox.drain(at=noon)

    assert points(ana) == 12


def test_what_is_done_is_not_tried_again(ana, stripe, post, noon):
    post(stripe, paid(1))
    inbox.drain(at=noon)

    assert inbox.try_again(events=InboundEvent.objects.all(), at=noon) == 0


def test_a_drain_for_one_merchant_leaves_the_others(ana, bo, stripe, bar_nilo, post, noon):
    theirs = connect(bar_nilo, at=noon, secret="whsec_of_bar_nilo")
    post(stripe, paid(1))
    post(theirs, paid(1), secret="whsec_of_bar_nilo")

    assert inbox.drain(at=noon, merchant=stripe.merchant).taken == 1

    assert Purchase.objects.get().merchant == stripe.merchant
    assert InboundEvent.objects.get(merchant=bar_nilo).status == "waiting"


def test_the_same_numbers_at_two_merchants_are_two_sales(
    ana, bo, stripe, bar_nilo, post, drain, noon, points
):
    theirs = connect(bar_nilo, at=noon, secret="whsec_of_bar_nilo")
    post(stripe, paid(1))
    their_sale = event("checkout.session.completed", session(1, email="bo@example.com"))
    post(theirs, their_sale, secret="whsec_of_bar_nilo")
    drain()

    assert (points(ana), points(bo)) == (12, 12)


def test_a_connections_sales_are_its_stores(ana, cafe, noon, post, drain):
    store = Store.objects.create(merchant=cafe, code="web", name="Web shop")
    stripe = connect(cafe, at=noon, store=store)
    post(stripe, paid(1))
    drain()

    assert Purchase.objects.get().store == store


def test_bodies_are_emptied_after_a_month(ana, stripe, post, drain, noon):
    post(stripe, paid(1))
    drain()
    made = InboundEvent.objects.get()

    from django.utils import timezone

    assert inbox.empty_bodies(at=timezone.now() + timedelta(days=29)) == 0
    assert inbox.empty_bodies(at=timezone.now() + timedelta(days=31)) == 1
    made.refresh_from_db()
    assert (made.body, made.status) == ("", "done")
    assert post(stripe, paid(1)).json() == {"status": "known"}
