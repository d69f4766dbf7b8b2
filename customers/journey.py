"""The customer's diary. Everything that happens is noted here, once, and told to whoever listens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from customers.models import Customer, Touchpoint
from lib import db, public_ids
from lib.wake import wake
from merchants.models import Merchant

Row = dict[str, Any]

# How the kinds begin that the house notes itself; nobody outside may tell one of these.
OURS = (
    *("bonus.", "consent.", "customer.", "flow.", "gift_card.", "hold.", "household.", "identifier."),
    *("message.", "perk.", "points.", "purchase.", "redemption.", "referral.", "refund.", "reward."),
    *("segment.", "survey.", "tier.", "voucher."),
)

_is_history: ContextVar[bool] = ContextVar("is_history", default=False)


@contextmanager
def as_history() -> Iterator[None]:
    """Within the block what is noted is kept and told to nobody: what is brought from elsewhere is no news."""
    token = _is_history.set(True)
    try:
        yield
    finally:
        _is_history.reset(token)


@db.inside_transaction
def note(
    *,
    customer: Customer,
    kind: str,
    at: datetime,
    now: datetime | None = None,
    channel: str = "",
    reference: str = "",
    data: Row | None = None,
) -> None:
    """Write one touchpoint in the caller's transaction. `at` is when it happened, `now` when we learned of it."""
    note_all(
        [
            row(
                merchant_id=customer.merchant_id,
                customer_id=customer.pk,
                kind=kind,
                at=at,
                now=now or at,
                channel=channel,
                reference=reference,
                data=data or {},
            )
        ]
    )


def row(
    *,
    merchant_id: int,
    customer_id: int | None,
    kind: str,
    at: datetime,
    now: datetime,
    channel: str = "",
    reference: str = "",
    anonymous_id: str = "",
    data: Row | None = None,
) -> Row:
    """Return the row of one touchpoint, for `note_all`."""
    return {
        "id": public_ids.new(),
        "merchant_id": merchant_id,
        "customer_id": customer_id,
        "anonymous_id": anonymous_id,
        "kind": kind,
        "channel": channel,
        "reference": reference,
        "data": data or {},
        "occurred_at": at,
        "created_at": now,
        # What nobody listens to is written as told already: the outbox stays as short as the listeners' work.
        "relayed_at": None if _is_heard(merchant_id, kind) and not _is_history.get() else now,
    }


@db.inside_transaction
def note_all(rows: Sequence[Row]) -> None:
    """Write touchpoints made by `row`, in one statement. One with a reference that was told before is skipped."""
    plain = [one for one in rows if not one["reference"]]
    named = [one for one in rows if one["reference"]]
    db.insert(Touchpoint, plain)
    db.insert(Touchpoint, named, on_conflict="DO NOTHING")
    if any(one["relayed_at"] is None for one in rows):
        wake("customers.tasks.relay")


Listener = Callable[[Sequence[Touchpoint], datetime], None]


Wants = Callable[[int, str], bool]


@cache
def _listeners() -> tuple[tuple[str, Listener, Wants | None], ...]:
    return tuple(
        (kind, import_string(path), import_string(wants[0]) if wants else None)
        for path, kinds, *wants in settings.TOUCHPOINT_LISTENERS
        for kind in kinds
    )


@lru_cache(maxsize=4096)
def _hearing(kind: str) -> tuple[tuple[Listener, Wants | None], ...]:
    groups = ("*", kind) if kind.startswith(OURS) else ("*", "told", kind)
    return tuple((listener, wants) for wanted, listener, wants in _listeners() if wanted in groups)


def _is_heard(merchant_id: int, kind: str) -> bool:
    return any(wants is None or wants(merchant_id, kind) for _, wants in _hearing(kind))


def listeners(kind: str) -> tuple[Listener, ...]:
    """Return who wants to hear of this kind; one named for `told` hears what is not ours, for `*` everything."""
    return tuple(listener for listener, _ in _hearing(kind))


@db.command
def relay(*, at: datetime, limit: int = 500, merchant: Merchant | None = None) -> int:
    """
    Tell the listeners about the oldest touchpoints not yet told; return how many there were.

    A listener only writes rows (a flow run, a delivery, a bonus) and does so in this transaction, so each
    touchpoint is told exactly once, and two workers never take the same one.
    """
    taken = db.ask(
        f"SELECT t.id FROM customers_touchpoint t WHERE t.relayed_at IS NULL "
        f"{'AND t.merchant_id = %s ' if merchant else ''}ORDER BY t.id LIMIT {int(limit)}"
        + db.for_update("t", skip_locked=True),
        [merchant.pk] if merchant else [],
    )
    ids = [number for (number,) in taken.rows]
    told = list(Touchpoint.objects.filter(pk__in=ids).select_related("merchant", "customer").order_by("pk"))
    by_listener: dict[Listener, list[Touchpoint]] = {}
    for touchpoint in told:
        for listener in listeners(touchpoint.kind):
            by_listener.setdefault(listener, []).append(touchpoint)
    for listener, heard in by_listener.items():
        listener(heard, at)
    Touchpoint.objects.filter(pk__in=ids).update(relayed_at=at)
    return len(ids)
