"""The inbox, for the worker."""

import time

from celery import shared_task
from django.utils import timezone

from connectors import inbox

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
    """Forget what old messages said."""
    while inbox.empty_bodies(at=timezone.now()):
        pass
