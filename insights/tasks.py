"""What the worker computes for the merchant."""

import logging
import time

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from insights import journey_map, points, recommendations, rehearsal, snapshots

MOST_SECONDS = 60.0

log = logging.getLogger(__name__)


@shared_task
def rehearse() -> int:
    """Run the rehearsals that wait, one after another; after a minute the next sweep goes on."""
    ends, done = time.monotonic() + MOST_SECONDS, 0
    while time.monotonic() < ends and (run := rehearsal.claim(at=timezone.now())):
        try:
            done += rehearsal.perform(run=run, clock=timezone.now)
        except SoftTimeLimitExceeded:
            rehearsal.give_up(run=run, fault="It took too long: rehearse fewer months.", at=timezone.now())
            raise
        except Exception as error:
            log.exception("rehearsal %s failed", run.public_id)
            rehearsal.give_up(run=run, fault=f"{type(error).__name__}: {error}", at=timezone.now())
    return done


@shared_task
def roll_up_points() -> int:
    """Add the entries that came since the last time to the sums of points. Reports never wait for it."""
    return points.roll_up_all(at=timezone.now())


@shared_task
def recommend() -> int:
    """Make everybody's recommendations anew."""
    return recommendations.refresh_all(at=timezone.now())


@shared_task
def refresh() -> int:
    """Make the reports that are of another day anew, and those that somebody asked for."""
    return snapshots.refresh_due(at=timezone.now())


@shared_task
def draw_maps() -> int:
    """Make the journey map of every merchant anew."""
    return journey_map.snapshot_everybody(at=timezone.now())
