"""What is computed ahead, for the worker."""

from celery import shared_task
from django.utils import timezone

from insights import journey_map


@shared_task
def draw_maps() -> None:
    """Make the journey map of every merchant anew."""
    journey_map.snapshot_everybody(at=timezone.now())
