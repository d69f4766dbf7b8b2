"""The customer's inbox: messages of the channel `inbox`, and whether they were seen."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from customers.models import Customer
from engagement.deciding import SILENT
from engagement.models import Message
from lib import db


def newest(*, customer: Customer, limit: int) -> list[Message]:
    """Return the newest messages of a customer's inbox. One statement."""
    return list(_of(customer).order_by("-pk")[:limit])


def count_unread(*, customer: Customer) -> int:
    """Return how many messages were not seen yet."""
    return _of(customer).filter(read_at=None).count()


@db.command
def read(*, customer: Customer, messages: Sequence[Message], at: datetime) -> None:
    """Remember that these were seen. Repeating keeps the first time."""
    _of(customer).filter(pk__in=[one.pk for one in messages], read_at=None).update(read_at=at)


def _of(customer: Customer) -> QuerySet[Message]:
    return Message.objects.filter(
        merchant=customer.merchant_id, customer=customer, channel=SILENT, status=Message.Status.DELIVERED
    )
