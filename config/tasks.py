"""What the timetable forgets of itself."""

from celery import shared_task
from django.utils import timezone

from config import periodic


@shared_task
def forget_hours() -> int:
    """Delete the history of periodic work that is older than 14 days."""
    return periodic.forget(at=timezone.now())
