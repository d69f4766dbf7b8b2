"""
Aliases: a customer who was merged into another one stays as a row, and everything that finds it answers
with the target. Purchases and touchpoints keep the customer they happened to; reads ask for `everybody`.
"""

from collections.abc import Iterable
from datetime import datetime

from customers import journey
from customers.models import Customer
from lib import db


def everybody(customer: Customer) -> list[int]:
    """Return the ids of the customer and of all who are merged into them."""
    merged = Customer.objects.filter(merchant=customer.merchant_id, merged_into=customer)
    return [customer.pk, *merged.values_list("pk", flat=True)]


def is_now(*, merchant_id: int, earlier: int | None, now: int | None) -> bool:
    """Tell whether the customer that something was told of is by now (merged into) this one."""
    if earlier == now or earlier is None or now is None:
        return earlier == now
    return Customer.objects.filter(merchant_id=merchant_id, pk=earlier, merged_into=now).exists()


@db.inside_transaction
def alias(*, source: Customer, target: Customer, at: datetime, by: str) -> list[int]:
    """
    Make the source an alias of the target, and everybody who was one of the source; return their ids.

    A step of `loyalty.merges.merge`, which locks both. An alias always names the last target, so a lookup
    follows one step.
    """
    followers = Customer.objects.filter(merchant=source.merchant_id, merged_into=source)
    ids = list(followers.order_by("pk").values_list("pk", flat=True))
    Customer.objects.filter(merchant=source.merchant_id, pk__in=[source.pk, *ids]).update(
        status=Customer.Status.MERGED, merged_into=target
    )
    source.status, source.merged_into = Customer.Status.MERGED, target
    _note(target, source, "customer.merged", at=at, by=by)
    return ids


@db.inside_transaction
def restore(*, source: Customer, target: Customer, aliases: Iterable[int], at: datetime, by: str) -> None:
    """Make an alias a customer of its own again, with those that had followed it. A step of `unmerge`."""
    Customer.objects.filter(merchant=source.merchant_id, pk=source.pk).update(
        status=Customer.Status.ACTIVE, merged_into=None
    )
    # One of them may have been erased, or have been restored itself, in the meantime.
    Customer.objects.filter(
        merchant=source.merchant_id, pk__in=list(aliases), merged_into=target, status=Customer.Status.MERGED
    ).update(merged_into=source)
    source.status, source.merged_into = Customer.Status.ACTIVE, None
    _note(target, source, "customer.unmerged", at=at, by=by)


def _note(target: Customer, source: Customer, kind: str, *, at: datetime, by: str) -> None:
    journey.note(customer=target, kind=kind, at=at, data={"source": source.public_id, "by": by})
    journey.note(customer=source, kind=kind, at=at, data={"target": target.public_id, "by": by})
