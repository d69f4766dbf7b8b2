"""What the reads say of an account. Due activations and expiries count at once, also while a job is late."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from lib import db
from loyalty.ledger.book import Book
from loyalty.ledger.states import OPEN, PENDING, AccountState

Row = dict[str, Any]
Sum = tuple[str, datetime | None, int]  # of lots: their state, when that changes by itself, their points
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


def expiring(account: AccountState, read: Iterable[Sum] = ()) -> list[Row]:
    """
    Return the next expiry dates with their points, from the lots; of lots that are not read, from their sums.

    What only a hold keeps from expiring is shown at the account's next due time, when that may end.
    """
    by_date: dict[datetime, int] = {}
    for state, ends, points in _sums(account, read):
        if state == OPEN and ends:
            # Nothing is due before the account's next due time, but what a hold keeps beyond its own.
            when = ends if account.next_due_at is None else max(ends, account.next_due_at)
            by_date[when] = by_date.get(when, 0) + points
    return [{"points": by_date[when], "at": when} for when in sorted(by_date)[:SHOWN_DATES]]


def activating(account: AccountState, read: Iterable[Sum] = ()) -> list[Row]:
    """Return the pending points by the date they become usable; without a date they wait for a release."""
    by_date: dict[datetime | None, int] = {}
    for state, starts, points in _sums(account, read):
        if state == PENDING:
            by_date[starts] = by_date.get(starts, 0) + points
    dated = sorted((when for when in by_date if when), key=lambda when: when.timestamp())
    return [{"points": by_date[when], "at": when} for when in (*dated, *([None] if None in by_date else []))]


def _sums(account: AccountState, read: Iterable[Sum]) -> Iterable[Sum]:
    if account.lots is None:
        yield from read
    for lot in account.new_lots if account.lots is None else account.lots:
        yield lot.state, lot.due_at(), lot.remaining


def sums_of(account: AccountState, answer: db.Answer | None) -> list[Sum]:
    """Return what `ask_expiring` answered of this account."""
    rows = () if answer is None or account.lots is not None else answer.rows
    return [(OPEN, db.time(ends), int(points)) for number, ends, points in rows if number == account.id]


def as_of(account: AccountState, *, at: datetime, key: bytes) -> AccountState:
    """Return the account as it stands at `at`, with everything due done in memory and nothing written."""
    if account.is_due(at):
        Book(accounts=[account], key=key, now=at).settle(account, at=at)
    return account
