"""Reports made anew, for the worker."""

from celery import shared_task
from django.utils import timezone

from insights import snapshots


@shared_task
def refresh() -> None:
    """Make the reports that are of another day anew, and those that somebody asked for."""
    snapshots.refresh_due(at=timezone.now())
