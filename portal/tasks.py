"""What the customer's door forgets by itself."""

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from customers import sign_in


@shared_task
def forget() -> int:
    """Delete codes that ran out a day ago, and sessions (customers' and staff's) that are over."""
    call_command("clearsessions")
    return sign_in.forget(at=timezone.now())
