"""What is kept up to date of reports, for the worker."""

from celery import shared_task
from django.utils import timezone

from insights import points, recommendations


@shared_task
def roll_up_points() -> None:
    """Add the entries that came since the last time to the sums of points. Reports never wait for it."""
    points.roll_up_all(at=timezone.now())


@shared_task
def recommend() -> None:
    """Make everybody's recommendations anew."""
    recommendations.refresh_all(at=timezone.now())
