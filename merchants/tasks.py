"""Long jobs, for the worker."""

import time

from celery import shared_task
from django.utils import timezone

from merchants import jobs

LINGER_SECONDS = 0.3
MOST_SECONDS = 120.0


@shared_task
def work() -> int:
    """Work on the jobs that are due, each for a while in turn, for two minutes at most: the next sweep goes on."""
    ends = time.monotonic() + MOST_SECONDS
    done, has_lingered = 0, False
    while time.monotonic() < ends:
        if turns := jobs.work_due(clock=timezone.now, until=ends):
            done, has_lingered = done + turns, False
        elif has_lingered:
            break
        else:
            time.sleep(LINGER_SECONDS)
            has_lingered = True
    return done


@shared_task
def forget_files() -> int:
    """Delete what was uploaded and made more than 14 days ago."""
    return jobs.forget(at=timezone.now())
