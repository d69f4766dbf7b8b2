"""What the door forgets in time, for the worker."""

from celery import shared_task
from django.utils import timezone

from api import idempotency

AT_ONCE = 10_000


@shared_task
def purge_answers() -> int:
    """Delete kept answers older than 30 days."""
    purged = 0
    while gone := idempotency.purge(at=timezone.now(), limit=AT_ONCE):
        purged += gone
    return purged
