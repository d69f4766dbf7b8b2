"""What the reads say of an account. Due activations and expiries count at once, also while a job is late."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from lib import db
from loyalty.ledger.book import Book
from loyalty.ledger.states import OPEN, PENDING, AccountState, LotState

Row = dict[str, Any]
SHOWN_DATES = 12


def shape(
    account: AccountState, *, tier: Row, expiring: list[Row], at: datetime, waiting: list[Row] | None = None
) -> Row:
    """
    Return a balance as the API answers it. Points are whole numbers, times aware.

    `active` are usable points, `available` those not held, `pending` wait for their date, `debt` is owed.
    """
    return {
        "active": account.active,
        "available": account.available,
        "held": account.held,
        "pending": account.pending,
        "debt": account.debt,
        "lifetime_earned": account.lifetime_earned,
        "expiring": expiring,
        **({} if waiting is None else {"activating": waiting}),
        "tier": tier,
        "as_of": at,
    }


def ask_expiring(*, merchant_id: int, memberships: Collection[int]) -> db.Answer:
    """Ask when open lots expire next: (account, date, points); usable inside `together()`."""
    wanted, params = db.any_of("l.account_id", "bigint", list(memberships))
    return db.look(
        f"""
        SELECT l.account_id, l.expires_at, SUM(l.remaining)
        FROM loyalty_lot l
        WHERE l.merchant_id = %s AND {wanted}
          AND l.state <> 'closed' AND l.state = 'open' AND l.expires_at IS NOT NULL
        GROUP BY l.account_id, l.expires_at ORDER BY l.account_id, l.expires_at LIMIT {SHOWN_DATES}
        """,
        [merchant_id, *params],
    )


def expiring(account: AccountState, answer: db.Answer | None = None) -> list[Row]:
    """
    Return the next expiry dates with their points: from the lots if read, else from the answer.

    What only a hold keeps from expiring is shown at the account's next due time, when that may end.
    """
    found: list[tuple[datetime, int]] = []
    if account.lots is None and answer is not None:
        for account_id, when, points in answer.rows:
            if account_id == account.id and (ends := db.time(when)):
                found.append((ends, int(points)))
    lots: Iterable[LotState] = account.new_lots if account.lots is None else account.lots
    found += [(lot.expires_at, lot.remaining) for lot in lots if lot.state == OPEN and lot.expires_at]
    by_date: dict[datetime, int] = {}
    for ends, points in found:
        # Nothing is due before the account's next due time, but what a hold keeps beyond its own.
        when = ends if account.next_due_at is None else max(ends, account.next_due_at)
        by_date[when] = by_date.get(when, 0) + points
    return [{"points": by_date[when], "at": when} for when in sorted(by_date)[:SHOWN_DATES]]


def activating(account: AccountState) -> list[Row]:
    """Return the pending points by the date they become usable; without a date they wait for a release."""
    by_date: dict[datetime | None, int] = {}
    for lot in account.lots or ():
        if lot.state == PENDING:
            by_date[lot.activates_at] = by_date.get(lot.activates_at, 0) + lot.remaining
    dated = sorted((when for when in by_date if when), key=lambda when: when.timestamp())
    return [{"points": by_date[when], "at": when} for when in (*dated, *([None] if None in by_date else []))]


def as_of(account: AccountState, *, at: datetime, key: bytes) -> AccountState:
    """Return the account as it stands at `at`, with everything due done in memory and nothing written."""
    if account.next_due_at is not None and account.next_due_at <= at:
        Book(accounts=[account], key=key, now=at).settle(account, at=at)
    return account
