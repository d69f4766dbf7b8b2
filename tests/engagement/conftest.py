"""A shop whose mail goes to a real mail server, and what is said to Ana."""

import time

import pytest
from django.db import transaction

from customers import consent
from customers.consent import Choice
from engagement import messages
from engagement.messages import Draft
from engagement.models import ChannelSettings, Message
from tests.mail import post_office

__all__ = ["post_office"]


@pytest.fixture
def shop(cafe):
    """The café, live: its mail goes to the server."""
    cafe.is_test = False
    cafe.save()
    return cafe


@pytest.fixture
def draft(ana, noon):
    """`draft("welcome:1")` is an e-mail to Ana, due at noon; say more to change it."""

    def make(key="welcome:1", **more):
        said = {
            "customer": ana, "channel": "email", "template": "welcome", "data": {}, "purpose": "service",
            "due_at": noon,
        }  # fmt: skip
        return Draft(key=key, **{**said, **more})

    return make


@pytest.fixture
def queue(noon):
    """`queue(draft(), draft("b"))` queues them in a transaction; the answer is how many are new."""

    def put(*drafts, at=noon):
        with transaction.atomic():
            return messages.queue_all(drafts, at=at)

    return put


@pytest.fixture
def send(noon):
    """`send()` sends what is due at noon; say `at` for another time."""
    return lambda at=noon, **more: messages.send_due(at=at, **more)


@pytest.fixture
def answer(noon):
    """`answer(ana, "email", "marketing", True)` records a consent."""

    def record(customer, channel, purpose, granted, at=noon, source="portal"):
        choice = Choice(channel, purpose, granted, source, "May we write?")
        consent.choose(customer=customer, choices=[choice], at=at)

    return record


@pytest.fixture
def states():
    """`states()` is what became of each message: key -> (status, reason)."""
    return lambda: {row.key: (row.status, row.reason) for row in Message.objects.order_by("pk")}


def wait_until(is_so, seconds=30):
    """Wait for something that happens in another process or thread."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def chosen_sms(cafe):
    """The café may send SMS."""
    return ChannelSettings.objects.create(merchant=cafe, kind="sms", options={})
