"""
The points tables. Only this package reads or writes them.

`lock` opens a `Book` of accounts under a lock, its methods move points in memory, `write` writes what
changed. `balance` answers what the doors show; `proof` rebuilds everything from the entries and compares.
"""

from loyalty.ledger.balance import activating, ask_expiring, expiring, shape
from loyalty.ledger.book import (
    AccountInDebt,
    AccountState,
    Book,
    Cause,
    Grant,
    LotState,
    NotEnoughPoints,
    Taken,
)
from loyalty.ledger.proof import differences
from loyalty.ledger.reading import (
    account_at,
    accounts_sql,
    due_accounts,
    entries,
    entry,
    lots,
    totals,
    with_balance,
)
from loyalty.ledger.rows import ask_lock, lock, open_accounts, open_book, settle, taken, write

__all__ = [
    "AccountInDebt",
    "AccountState",
    "Book",
    "Cause",
    "Grant",
    "LotState",
    "NotEnoughPoints",
    "Taken",
    "account_at",
    "accounts_sql",
    "activating",
    "ask_expiring",
    "ask_lock",
    "differences",
    "due_accounts",
    "entries",
    "entry",
    "expiring",
    "lock",
    "lots",
    "open_accounts",
    "open_book",
    "settle",
    "shape",
    "taken",
    "totals",
    "with_balance",
    "write",
]
