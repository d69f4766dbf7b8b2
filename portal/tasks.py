"""What the customer's door forgets by itself."""

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from customers import sign_in


@shared_task
def forget() -> None:
    """Delete codes that ran out a day ago, and sessions (customers' and staff's) that are over."""
    sign_in.forget(at=timezone.now())
    call_command("clearsessions")
