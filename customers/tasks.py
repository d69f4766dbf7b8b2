"""The diary's outbox and the codes, for the worker."""

import time

from celery import shared_task
from django.utils import timezone

from customers import changes, journey, segments, sign_in

# A wake is left out when another one went shortly before (lib.wake): whoever relays looks once more after
# a while longer than that, so that what came with the wake left out is told at once, not by the sweep.
LINGER_SECONDS = 0.3
MOST_SECONDS = 60.0


@shared_task
def relay() -> None:
    """Tell the listeners what happened until nothing waits, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    has_lingered = False
    while time.monotonic() < ends:
        if journey.relay(at=timezone.now()):
            has_lingered = False
        elif has_lingered:
            return
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True


@shared_task
def forget_codes() -> None:
    """Delete sign-in codes that ran out."""
    sign_in.forget(at=timezone.now())


@shared_task
def follow() -> None:
    """Bring what is kept per customer up to date for whoever was touched, for a minute at most."""
    ends = time.monotonic() + MOST_SECONDS
    while time.monotonic() < ends and changes.follow(at=timezone.now()):
        pass


@shared_task
def refresh_segments() -> None:
    """Count the segments in full that are due."""
    segments.refresh_due(at=timezone.now())
