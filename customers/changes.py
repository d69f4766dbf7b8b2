"""
Who was touched since we last looked, told to whoever keeps something per customer.

Every change of a customer notes a touchpoint, and its id grows with time: reading the diary from where we
stopped finds everybody who changed, without a row, a wake or a statement in the purchase's own path. A
transaction may commit after one with a later id, so the diary is read twice: at once, and a minute later.
Followers (`settings.CUSTOMER_FOLLOWERS`) are steps that may be repeated.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from customers.models import Customer, Watermark
from lib import db
from merchants.models import Merchant

NAME = "diary"
SETTLED_AFTER = timedelta(seconds=60)
# Our own: a segment that somebody entered must not make them a change again.
NOT_A_CHANGE = ("segment.",)


class Follower(Protocol):
    def __call__(self, *, merchant: Merchant, customers: Sequence[int], at: datetime) -> None:
        """Bring what is kept of these customers up to date, in the caller's transaction. Repeatable."""
        ...


class SomebodyElseReads(Exception):
    """Another worker reads the diary just now."""


@cache
def followers() -> tuple[Follower, ...]:
    return tuple(import_string(path) for path in settings.CUSTOMER_FOLLOWERS)


def follow(*, at: datetime, limit: int = 2_000) -> int:
    """Tell the followers who was touched since last time; return how many touchpoints were read."""
    with suppress(SomebodyElseReads):
        return _follow(at=at, limit=limit)
    return 0


@db.command
def _follow(*, at: datetime, limit: int) -> int:
    mark = hold(skip_locked=True)
    fresh = _read(mark.fresh, limit=limit)
    settled = _read(mark.settled, limit=limit, until=at - SETTLED_AFTER)
    touched: dict[int, set[int]] = {}
    for _, merchant_id, customer_id, kind, _ in (*fresh, *settled):
        if customer_id is not None and not kind.startswith(NOT_A_CHANGE):
            touched.setdefault(merchant_id, set()).add(customer_id)
    for merchant in Merchant.objects.filter(pk__in=touched).order_by("pk"):
        tell(merchant=merchant, customers=touched[merchant.pk], at=at)
    if fresh or settled:
        Watermark.objects.filter(name=NAME).update(
            fresh=fresh[-1][0] if fresh else mark.fresh, settled=settled[-1][0] if settled else mark.settled
        )
    return len(fresh) + len(settled)


@db.inside_transaction
def hold(*, skip_locked: bool = False) -> Watermark:
    """
    Lock the watermark: nobody else writes what followers keep until the end of the transaction.

    :raises SomebodyElseReads: it is locked, and was not to be waited for
    """
    found = _locked(skip_locked)
    if found is None:
        db.claim(Watermark, {"name": NAME, "fresh": 0, "settled": 0}, on_conflict="DO NOTHING")
        found = _locked(skip_locked)
    if found is None:
        raise SomebodyElseReads
    return found


def _locked(skip_locked: bool) -> Watermark | None:
    row = db.ask(
        "SELECT w.name, w.fresh, w.settled FROM customers_watermark w WHERE w.name = %s"
        + db.for_update("w", skip_locked=skip_locked),
        [NAME],
    ).one
    return Watermark(name=row[0], fresh=row[1], settled=row[2]) if row else None


def _read(
    after: int, *, limit: int, until: datetime | None = None
) -> list[tuple[int, int, int | None, str, datetime]]:
    rows = db.ask(
        "SELECT t.id, t.merchant_id, t.customer_id, t.kind, t.created_at FROM customers_touchpoint t "
        f"WHERE t.id > %s ORDER BY t.id LIMIT {int(limit)}",
        [after],
    ).rows
    found = []
    for number, merchant_id, customer_id, kind, created_at in rows:
        when = db.time(created_at)
        assert when is not None
        if until is not None and when > until:
            break
        found.append((number, merchant_id, customer_id, kind, when))
    return found


@db.inside_transaction
def tell(*, merchant: Merchant, customers: Iterable[int], at: datetime) -> None:
    """Tell every follower of these customers, and of those they are merged into."""
    ids = set(customers)
    merged = Customer.objects.filter(merchant=merchant, pk__in=ids, merged_into__isnull=False)
    ids.update(number for number in merged.values_list("merged_into_id", flat=True) if number)
    for follower in followers():
        follower(merchant=merchant, customers=sorted(ids), at=at)
