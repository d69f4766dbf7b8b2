"""The points tables: read under a lock into a `Book`, written back with one statement per table."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from lib import db
from loyalty.ledger.book import AccountState, Book, LotState, Taken
from loyalty.models.ledger import Account, Entry, Lot

_LOCK = """
    SELECT a.membership_id, a.merchant_id, a.active, a.pending, a.held, a.debt, a.lifetime_earned,
           a.purchases, a.sequence, a.head, a.next_due_at, a.active_at
    FROM loyalty_account a
    WHERE a.merchant_id = %s AND {wanted}
    ORDER BY a.membership_id
"""
_SOME_LOTS = """
    SELECT l.account_id, l.id, l.state, l.points, l.remaining, l.earned_at, l.activates_at, l.expires_at,
           l.purchase_id, l.rule
    FROM loyalty_lot l
    WHERE l.merchant_id = %s AND {wanted}
    ORDER BY l.account_id, l.id
"""
_LOTS = _SOME_LOTS.replace("{wanted}", "{wanted} AND l.state <> 'closed'")


@cache
def key() -> bytes:
    """Return the key of the chains."""
    return str(settings.LEDGER_KEY).encode()[:64]


@db.inside_transaction
def ask_lock(*, merchant_id: int, memberships: Collection[int], skip_busy: bool = False) -> db.Answer:
    """
    Lock these accounts in the order of their ids. Ask once, first; usable inside `together()`.

    With `skip_busy` those that somebody else has locked are left out of the answer.
    """
    wanted, params = db.any_of("a.membership_id", "bigint", list(memberships))
    return db.ask(
        _LOCK.format(wanted=wanted) + db.for_update("a", skip_locked=skip_busy), [merchant_id, *params]
    )


def open_book(locked: db.Answer, *, at: datetime) -> Book:
    """Return the book of the accounts that `ask_lock` locked."""
    return Book(accounts=[_account(row) for row in locked.rows], key=key(), now=at)


def _account(row: Sequence[Any]) -> AccountState:
    state = AccountState(*row)
    state.next_due_at, state.active_at = db.time(state.next_due_at), db.time(state.active_at)
    return state


@db.inside_transaction
def lock(*, merchant_id: int, memberships: Collection[int], at: datetime, lots: bool = True) -> Book:
    """
    Return the book of these accounts, locked until the transaction ends. Call it once, first.

    What was due by `at` (activation, expiry) is done, so that no expired point is ever spent. With
    `lots=False` only accounts with something due have their lots read.
    """
    book = open_book(ask_lock(merchant_id=merchant_id, memberships=memberships), at=at)
    settle(book, merchant_id=merchant_id, at=at, lots=lots)
    return book


@db.inside_transaction
def settle(book: Book, *, merchant_id: int, at: datetime, lots: bool = False) -> None:
    """Read the lots of the accounts where something is due by `at` (or of all) and do it."""
    due = [
        account
        for account in book.accounts.values()
        if account.lots is None and (lots or (account.next_due_at is not None and account.next_due_at <= at))
    ]
    if not due:
        return
    wanted, params = db.any_of("l.account_id", "bigint", [account.id for account in due])
    for account in due:
        account.lots = list(account.new_lots)
    for row in db.ask(_LOTS.format(wanted=wanted), [merchant_id, *params]).rows:
        lots_of = book[row[0]].lots
        assert lots_of is not None
        lots_of.append(_lot(row, at=at))
    for account in due:
        book.settle(account, at=at)


def _lot(row: Sequence[Any], *, at: datetime) -> LotState:
    lot = LotState(*row[1:])
    lot.earned_at = db.time(lot.earned_at) or at
    lot.activates_at, lot.expires_at = db.time(lot.activates_at), db.time(lot.expires_at)
    return lot


@db.inside_transaction
def taken(*, account: AccountState, entry_id: int) -> list[Taken]:
    """
    Return what an entry took from which lots, for `Book.give_back`. The account's own lots that are closed
    by now become part of the book again.
    """
    assert account.lots is not None
    entry = Entry.objects.get(pk=entry_id, merchant_id=account.merchant_id)
    parts = {number: -points for number, points, _ in entry.lots if points < 0}
    known = {lot.id: lot for lot in account.lots}
    if missing := [number for number in parts if number not in known]:
        wanted, params = db.any_of("l.id", "bigint", missing)
        for row in db.ask(_SOME_LOTS.format(wanted=wanted), [account.merchant_id, *params]).rows:
            lot = known[row[1]] = _lot(row, at=entry.occurred_at)
            if row[0] == account.id:
                account.lots.append(lot)
    return [Taken(known[number], points) for number, points in parts.items()]


@db.inside_transaction
def write(book: Book) -> None:
    """Write every account, lot and entry that changed: one statement per table."""
    changed = [account for account in book.accounts.values() if account.is_changed]
    db.insert(Entry, [entry for account in changed for entry in account.entries])
    db.insert(
        Lot,
        [
            _lot_row(lot) | {"merchant_id": account.merchant_id, "account_id": account.id}
            for account in changed
            for lot in account.new_lots
        ],
    )
    db.update(
        Lot,
        [
            {
                "id": lot.id,
                "state": lot.state,
                "remaining": lot.remaining,
                "activates_at": lot.activates_at,
                "expires_at": lot.expires_at,
            }
            for account in changed
            for lot in account.lots or ()
            if lot.is_changed and not lot.is_new
        ],
        key=["id"],
    )
    db.update(Account, [_account_row(account) for account in changed], key=["membership_id"])
    for account in changed:
        account.entries, account.new_lots, account.is_changed = [], [], False


def _lot_row(lot: LotState) -> dict[str, Any]:
    return {
        "id": lot.id,
        "state": lot.state,
        "points": lot.points,
        "remaining": lot.remaining,
        "rule": lot.rule,
        "purchase_id": lot.purchase_id,
        "earned_at": lot.earned_at,
        "activates_at": lot.activates_at,
        "expires_at": lot.expires_at,
    }


def _account_row(account: AccountState) -> dict[str, Any]:
    return {
        "membership_id": account.id,
        "active": account.active,
        "pending": account.pending,
        "held": account.held,
        "debt": account.debt,
        "lifetime_earned": account.lifetime_earned,
        "purchases": account.purchases,
        "sequence": account.sequence,
        "head": account.head,
        "next_due_at": account.next_due_at,
        "active_at": account.active_at,
    }


@db.inside_transaction
def open_accounts(*, merchant_id: int, memberships: Collection[int]) -> None:
    """Open the account of each new membership: a missing row cannot be locked. Repeating changes nothing."""
    rows = [
        _account_row(AccountState(number, merchant_id)) | {"merchant_id": merchant_id}
        for number in memberships
    ]
    db.insert(Account, rows, on_conflict="DO NOTHING")
