"""
The points tables. Only this package reads or writes them.

`lock` opens a `Book` of accounts under a lock, its methods move points in memory, `write` writes what
changed. `balance` answers what the doors show; `proof` rebuilds everything from the entries and compares.
"""

from loyalty.ledger.balance import Sum, activating, ask_expiring, expiring, shape, sums_of
from loyalty.ledger.book import AccountInDebt, Book, NotEnoughPoints
from loyalty.ledger.proof import differences
from loyalty.ledger.reading import (
    account_at,
    account_of,
    accounts_sql,
    due_accounts,
    entries,
    entry,
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
    lock,
    open_accounts,
    open_book,
    open_hold,
    parts_of,
    purchase_of,
    settle,
    taken,
    write,
)
from loyalty.ledger.states import AccountState, Cause, Grant, HoldState, LotState

__all__ = [
    "AccountInDebt",
    "AccountState",
    "Book",
    "Cause",
    "Grant",
    "HoldState",
    "LotState",
    "NotEnoughPoints",
    "Sum",
    "account_at",
    "account_of",
    "accounts_sql",
    "activating",
    "ask_expiring",
    "ask_lock",
    "differences",
    "due_accounts",
    "entries",
    "entry",
    "expiring",
    "find_hold",
    "hold",
    "hold_owner",
    "holds",
    "lock",
    "lots",
    "open_accounts",
    "open_book",
    "open_hold",
    "parts_of",
    "purchase_of",
    "settle",
    "shape",
    "sums_of",
    "taken",
    "totals",
    "with_balance",
    "write",
]
