"""Reports made anew, for the worker."""

from celery import shared_task
from django.utils import timezone

from insights import points, recommendations, snapshots


@shared_task
def roll_up_points() -> None:
    """Add the entries that came since the last time to the sums of points. Reports never wait for it."""
    points.roll_up_all(at=timezone.now())


@shared_task
def recommend() -> None:
    """Make everybody's recommendations anew."""
    recommendations.refresh_all(at=timezone.now())


@shared_task
def refresh() -> None:
    """Make the reports that are of another day anew, and those that somebody asked for."""
    snapshots.refresh_due(at=timezone.now())
