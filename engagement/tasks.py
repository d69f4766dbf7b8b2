"""Messages that are due, for the worker."""

import time

from celery import shared_task
from django.utils import timezone

from engagement import fair_expiry, flows, measuring, messages, recipients

LINGER_SECONDS = 0.3
MOST_SECONDS = 60.0


@shared_task
def send() -> None:
    """Send what is due until nothing is, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    has_lingered = False
    while time.monotonic() < ends:
        if messages.send_due(at=timezone.now(), limit=1_000, until=ends):
            has_lingered = False
        elif has_lingered:
            return
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True


@shared_task
def step() -> None:
    """Move the runs that are due, a chunk of each flow in turn, for a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    has_lingered = False
    while time.monotonic() < ends:
        if flows.step_due(at=timezone.now()):
            has_lingered = False
        elif has_lingered:
            return
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True


@shared_task
def scan() -> None:
    """Start the flows of today's dates, at each shop by its own clock."""
    flows.scan_due(at=timezone.now())


@shared_task
def extend() -> None:
    """Keep points longer whose notices reached nobody, before they expire."""
    fair_expiry.extend_due(at=timezone.now())


@shared_task
def write_recipients() -> None:
    """Write who is told of campaigns, a chunk of each in turn, for half a minute at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS / 2
    while time.monotonic() < ends and recipients.write_due(at=timezone.now()):
        pass


@shared_task
def measure() -> None:
    """Sum up what experiments and campaigns have come to."""
    measuring.measure_due(at=timezone.now())
