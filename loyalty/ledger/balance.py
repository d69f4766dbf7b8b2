"""What the reads say of an account. Due activations and expiries count at once, also while a job is late."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from lib import db
from loyalty.ledger.book import OPEN, PENDING, AccountState, Book, LotState

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
    """Return the next expiry dates with their points: from the lots if read, else from the answer."""
    by_date: dict[datetime, int] = {}
    if account.lots is None and answer is not None:
        for account_id, when, points in answer.rows:
            if account_id == account.id and (ends := db.time(when)):
                by_date[ends] = int(points)
    lots: Iterable[LotState] = account.new_lots if account.lots is None else account.lots
    for lot in lots:
        if lot.state == OPEN and lot.expires_at:
            by_date[lot.expires_at] = by_date.get(lot.expires_at, 0) + lot.remaining
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
