"""The inbox and the outbox, for the worker."""

import time
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from connectors import inbox, notices, outbox

# A wake is left out when another one went shortly before (lib.wake): whoever drains looks once more after
# a while longer than that, so that what came with the wake left out is found at once, not by the sweep.
LINGER_SECONDS = 0.3
MOST_SECONDS = 60.0


@shared_task
def drain() -> None:
    """Work through the inbox until it is empty, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    has_lingered = False
    while time.monotonic() < ends:
        if inbox.drain(at=timezone.now()).taken:
            has_lingered = False
        elif has_lingered:
            return
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True


@shared_task
def empty_bodies() -> None:
    """Forget what old messages said, that came or were sent."""
    while inbox.empty_bodies(at=timezone.now()):
        pass
    while outbox.empty_bodies(at=timezone.now()):
        pass


@shared_task
def send() -> None:
    """Send outgoing webhooks until none is due, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    has_lingered = False
    while (left := ends - time.monotonic()) > 0:
        at = timezone.now()
        if outbox.send_due(at=at, until=at + timedelta(seconds=left)):
            has_lingered = False
        elif has_lingered:
            return
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True


@shared_task
def tell_of_endpoints() -> None:
    """Write to the owners of endpoints that were switched off."""
    notices.tell(at=timezone.now())
