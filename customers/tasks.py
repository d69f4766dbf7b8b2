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
def relay() -> int:
    """Tell the listeners what happened until nothing waits, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while time.monotonic() < ends:
        if told := journey.relay(at=timezone.now()):
            done, has_lingered = done + told, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def forget_codes() -> int:
    """Delete sign-in codes that ran out."""
    return sign_in.forget(at=timezone.now())


@shared_task
def follow() -> int:
    """Bring what is kept per customer up to date for whoever was touched, for a minute at most."""
    ends = time.monotonic() + MOST_SECONDS
    done = 0
    while time.monotonic() < ends and (read := changes.follow(at=timezone.now())):
        done += read
    return done


@shared_task
def refresh_segments() -> int:
    """Count the segments in full that are due."""
    return segments.refresh_due(at=timezone.now())
