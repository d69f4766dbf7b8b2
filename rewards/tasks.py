"""The periodic work of the rewards room."""

from celery import shared_task
from django.utils import timezone

from rewards import pools


@shared_task
def warn_low_pools() -> int:
    """Write to the owners of pools that run low."""
    return pools.warn(at=timezone.now())
