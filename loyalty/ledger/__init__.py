"""
The points tables. Only this package reads or writes them.

`lock` opens a `Book` of accounts under a lock, its methods move points in memory, `write` writes what
changed. `balance` answers what the doors show; `proof` rebuilds everything from the entries and compares.
"""

from loyalty.ledger.balance import activating, ask_expiring, expiring, shape
from loyalty.ledger.book import AccountInDebt, Book, NotEnoughPoints
from loyalty.ledger.open_tables import TABLES
from loyalty.ledger.proof import differences
from loyalty.ledger.reading import (
    account_at,
    accounts_sql,
    available_sql,
    due_accounts,
    due_since,
    entries,
    entry,
    expiring_within,
    hold,
    hold_owner,
    holds,
    lots,
    totals,
    with_balance,
)
from loyalty.ledger.rows import (
    ask_lock,
    find_hold,
    keep_returned,
    lock,
    merged_hold,
    open_accounts,
    open_book,
    open_hold,
    parts_of,
    purchase_of,
    settle,
    write,
)
from loyalty.ledger.states import AccountState, Cause, Grant, HoldState, LotState

__all__ = [
    "TABLES",
    "AccountInDebt",
    "AccountState",
    "Book",
    "Cause",
    "Grant",
    "HoldState",
    "LotState",
    "NotEnoughPoints",
    "account_at",
    "accounts_sql",
    "activating",
    "ask_expiring",
    "ask_lock",
    "available_sql",
    "differences",
    "due_accounts",
    "due_since",
    "entries",
    "entry",
    "expiring",
    "expiring_within",
    "find_hold",
    "hold",
    "hold_owner",
    "holds",
    "keep_returned",
    "lock",
    "lots",
    "merged_hold",
    "open_accounts",
    "open_book",
    "open_hold",
    "parts_of",
    "purchase_of",
    "settle",
    "shape",
    "totals",
    "with_balance",
    "write",
]
