"""What the door keeps about people: copies of answers, for the Idempotency-Key."""

from typing import Any

from django.db.models import Q

from api.models import IdempotencyAnswer
from customers.erasure import Holding, Traces
from lib import public_ids


def _forget(traces: Traces) -> Any:
    """Delete the kept answers that speak of the person; a batch's answer speaks of many and names no one."""
    named = Q(customer_id__in=traces.ids)
    for number in traces.ids:
        named |= Q(customer_id=None, body__contains=public_ids.show("cus", number))
    return IdempotencyAnswer.objects.filter(named, merchant_id=traces.customer.merchant_id).delete()


HOLDINGS = [
    Holding(
        "api.IdempotencyAnswer",
        "Deleted: a copy of an answer, kept for 30 days so that a repeated call is done once.",
        erase=_forget,
    )
]
