"""
The points tables. Only this package reads or writes them.

`lock` opens a `Book` of accounts under a lock, its methods move points in memory, `write` writes what
changed. `balance` answers what the doors show; `proof` rebuilds everything from the entries and compares.
"""

from loyalty.ledger.balance import Sum, activating, ask_expiring, expiring, shape, sums_of
from loyalty.ledger.book import AccountInDebt, Book, NotEnoughPoints
from loyalty.ledger.movements import by_cohort, by_day, last_entry, outstanding_sql
from loyalty.ledger.open_tables import TABLES
from loyalty.ledger.proof import differences
from loyalty.ledger.reading import (
    account_at,
    account_of,
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
    lots_of,
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
from loyalty.ledger.trial import TrialBook, trial_account

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
    "Sum",
    "TrialBook",
    "account_at",
    "account_of",
    "accounts_sql",
    "activating",
    "ask_expiring",
    "ask_lock",
    "available_sql",
    "by_cohort",
    "by_day",
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
    "last_entry",
    "lock",
    "lots",
    "lots_of",
    "merged_hold",
    "open_accounts",
    "open_book",
    "open_hold",
    "outstanding_sql",
    "parts_of",
    "purchase_of",
    "settle",
    "shape",
    "sums_of",
    "totals",
    "trial_account",
    "with_balance",
    "write",
]
