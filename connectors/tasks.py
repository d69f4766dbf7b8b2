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
def drain() -> int:
    """Work through the inbox until it is empty, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while time.monotonic() < ends:
        if taken := inbox.drain(at=timezone.now()).taken:
            done, has_lingered = done + taken, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def empty_bodies() -> int:
    """Forget what old messages said, that came or were sent."""
    emptied = 0
    for empty in (inbox.empty_bodies, outbox.empty_bodies):
        while some := empty(at=timezone.now()):
            emptied += some
    return emptied


@shared_task
def send() -> int:
    """Send outgoing webhooks until none is due, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while (left := ends - time.monotonic()) > 0:
        at = timezone.now()
        if sent := outbox.send_due(at=at, until=at + timedelta(seconds=left)):
            done, has_lingered = done + sent, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def tell_of_endpoints() -> int:
    """Write to the owners of endpoints that were switched off."""
    return notices.tell(at=timezone.now())
