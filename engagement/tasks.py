"""Messages that are due, for the worker."""

import time

from celery import shared_task
from django.utils import timezone

from engagement import fair_expiry, flows, measuring, messages, recipients

LINGER_SECONDS = 0.3
MOST_SECONDS = 60.0


@shared_task
def send() -> int:
    """Send what is due until nothing is, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while time.monotonic() < ends:
        if sent := messages.send_due(at=timezone.now(), limit=1_000, until=ends):
            done, has_lingered = done + sent, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def step() -> int:
    """Move the runs that are due, a chunk of each flow in turn, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while time.monotonic() < ends:
        if moved := flows.step_due(at=timezone.now()):
            done, has_lingered = done + moved, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def scan() -> int:
    """Start the flows of today's dates, at each shop by its own clock."""
    return flows.scan_due(at=timezone.now())


@shared_task
def extend() -> int:
    """Keep points longer whose notices reached nobody, before they expire."""
    return fair_expiry.extend_due(at=timezone.now())


@shared_task
def write_recipients() -> int:
    """Write who is told of campaigns, a chunk of each in turn, for half a minute at most: the next sweep goes on."""
    ends, done = time.monotonic() + MOST_SECONDS / 2, 0
    while time.monotonic() < ends and (some := recipients.write_due(at=timezone.now())):
        done += some
    return done


@shared_task
def measure() -> int:
    """Sum up what experiments and campaigns have come to."""
    return measuring.measure_due(at=timezone.now())
