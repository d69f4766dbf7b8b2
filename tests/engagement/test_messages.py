"""Messages: queued once for ever, decided when they are sent."""

from datetime import timedelta

import pytest
from django.db import transaction

from engagement import messages
from engagement.messages import Draft
from engagement.models import Message

pytestmark = pytest.mark.core


def queue(drafts, at):
    with transaction.atomic():
        return messages.queue_all(drafts, at=at)


@pytest.fixture
def draft(ana, noon):
    """`draft("welcome:1")` is an e-mail to Ana, due now; say more to change it."""

    def make(key="welcome:1", **more):
        said = {
            "customer": ana, "channel": "email", "template": "welcome", "data": {}, "purpose": "service",
            "due_at": noon,
        }  # fmt: skip
        return Draft(key=key, **{**said, **more})

    return make


@pytest.mark.django_db(transaction=True)
def test_a_message_told_twice_is_queued_once(draft, noon):
    first = queue([draft("a", data={"points": 3}), draft("b")], noon)
    again = queue([draft("a"), draft("b"), draft("a", channel="sms")], noon + timedelta(days=400))

    assert (first, again) == (2, 1)
    kept = Message.objects.get(key="a", channel="email")
    assert kept.data == {"points": 3}
    assert (kept.status, kept.due_at, kept.created_at) == ("queued", noon, noon)
