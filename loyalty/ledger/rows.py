"""The points tables: read under a lock into a `Book`, written back with one statement per table."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings

from lib import db
from loyalty.ledger.book import Book
from loyalty.ledger.states import AccountState, HoldState, LotState, Part
from loyalty.models.ledger import Account, Entry, Hold, Lot

_LOCK = """
    SELECT a.membership_id, a.merchant_id, a.active, a.pending, a.held, a.debt, a.lifetime_earned,
           a.purchases, a.sequence, a.head, a.next_due_at, a.active_at, a.is_merged
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
_HOLDS = """
    SELECT h.account_id, h.id, h.points, h.status, h.expires_at, h.created_at, h.reference, h.source,
           h.ttl_seconds, h.captured, h.returned, h.purchase_reference, h.purpose, h.entry_id, h.ended_at
    FROM loyalty_hold h
    WHERE h.merchant_id = %s AND {wanted}
    ORDER BY h.account_id, h.id
"""


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


def open_book(locked: db.Answer, *, at: datetime, merged: bool = False) -> Book:
    """
    Return the book of the accounts that `ask_lock` locked.

    With `merged` also accounts of customers who were merged into others are opened.
    """
    accounts = [_account(row) for row in locked.rows]
    # The race: a till looked the source of a merge up, waited for its account, and the merge was first. What
    # it books now would stay behind, so the command is run again and finds the target.
    if not merged and any(account.is_merged for account in accounts):
        raise db.Again
    return Book(accounts=accounts, key=key(), now=at)


def _account(row: Sequence[Any]) -> AccountState:
    state = AccountState(*row)
    state.next_due_at, state.active_at = db.time(state.next_due_at), db.time(state.active_at)
    state.is_merged = bool(state.is_merged)
    return state


@db.inside_transaction
def lock(
    *,
    merchant_id: int,
    memberships: Collection[int],
    at: datetime,
    lots: bool = True,
    merged: bool = False,
) -> Book:
    """
    Return the book of these accounts, locked until the transaction ends. Call it once, first.

    What was due by `at` (activation, expiry) is done, so that no expired point is ever spent. With
    `lots=False` only accounts with something due have their lots read, with `merged` also accounts of
    customers who were merged into others are opened (what has only aliases to lose may say it: jobs do).
    """
    locked = ask_lock(merchant_id=merchant_id, memberships=memberships)
    book = open_book(locked, at=at, merged=merged)
    settle(book, merchant_id=merchant_id, at=at, lots=lots)
    return book


@db.inside_transaction
def settle(book: Book, *, merchant_id: int, at: datetime, lots: bool = False) -> None:
    """
    Read the lots of the accounts where something is due by `at` (or of all) and do it. Holds are read with
    the lots, for accounts where some are held: whoever holds nothing costs no statement.
    """
    due = [
        account for account in book.accounts.values() if account.lots is None and (lots or account.is_due(at))
    ]
    if not due:
        return
    holding = [account.id for account in due if account.held]
    wanted, params = db.any_of("l.account_id", "bigint", [account.id for account in due])
    with db.together(bool(holding)):
        stored = db.ask(_LOTS.format(wanted=wanted), [merchant_id, *params])
        if holding:
            live, whose = db.any_of("h.account_id", "bigint", holding)
            held = db.ask(_HOLDS.format(wanted=f"{live} AND h.status = 'active'"), [merchant_id, *whose])
    for account in due:
        account.lots = list(account.new_lots)
    for row in stored.rows:
        lots_of = book[row[0]].lots
        assert lots_of is not None
        lots_of.append(_lot(row[1:]))
    for row in held.rows if holding else ():
        book[row[0]].holds.append(_hold(row[1:]))
    for account in due:
        book.settle(account, at=at)


def _lot(values: Sequence[Any]) -> LotState:
    lot = LotState(*values)
    lot.earned_at = _time(lot.earned_at)
    lot.activates_at, lot.expires_at = db.time(lot.activates_at), db.time(lot.expires_at)
    return lot


def _time(value: Any) -> datetime:
    when = db.time(value)
    assert when is not None
    return when


def _hold(values: Sequence[Any]) -> HoldState:
    hold = HoldState(*values)
    hold.expires_at, hold.created_at = _time(hold.expires_at), _time(hold.created_at)
    hold.ended_at = db.time(hold.ended_at)
    hold.purpose = db.loaded(hold.purpose)
    return hold


@db.inside_transaction
def open_hold(book: Book, *, merchant_id: int, hold_id: int) -> HoldState:
    """
    Return a hold of an account that the book has locked, live or ended.

    :raises Again: it is another account's by now: run the command again to lock that one
    """
    found = find_hold(book, merchant_id=merchant_id, hold_id=hold_id)
    if found is None:
        raise db.Again("the hold has moved to another account")
    return found[1]


@db.inside_transaction
def find_hold(book: Book, *, merchant_id: int, hold_id: int) -> tuple[AccountState, HoldState] | None:
    """Return a hold and its account, live or ended; None when the book has not locked its account."""
    for account in book.accounts.values():
        for hold in account.holds:
            if hold.id == hold_id:
                return account, hold
    row = db.ask(_HOLDS.format(wanted="h.id = %s"), [merchant_id, hold_id]).one
    if row is None or row[0] not in book.accounts:
        return None
    account = book[row[0]]
    account.holds.append(_hold(row[1:]))
    return account, account.holds[-1]


@db.inside_transaction
def merged_hold(*, merchant_id: int, hold_id: int) -> tuple[HoldState, int] | None:
    """
    Return a hold of a customer who was merged, and the customer they were merged into.

    Nothing is booked on its own account any more. Whoever has locked the account of the target may count
    what came back of it, by `keep_returned`.
    """
    owner = Hold.objects.filter(merchant_id=merchant_id, pk=hold_id).values_list(
        "account__membership__customer__merged_into_id", flat=True
    )
    target_id = owner.first()
    row = db.ask(_HOLDS.format(wanted="h.id = %s"), [merchant_id, hold_id]).one
    return None if target_id is None or row is None else (_hold(row[1:]), target_id)


@db.inside_transaction
def keep_returned(returned: int, *, hold_id: int) -> None:
    """Count what came back of a hold that `merged_hold` returned."""
    db.update(Hold, [{"id": hold_id, "returned": returned}], key=["id"])


@db.inside_transaction
def parts_of(
    book: Book, account: AccountState, *, entry_id: int, passed: int, points: int, until: datetime
) -> tuple[int | None, list[Part]]:
    """
    Return the purchase that an entry which spent points names, and the lots that `points` of it go back to,
    each with its part: what was used last comes back first, after the `passed` that came back before.

    A lot that ends before `until` gets a new sister, as does one that was another account's before a merge.
    """
    entry = Entry.objects.get(pk=entry_id, merchant_id=account.merchant_id)
    parts: list[tuple[int, int]] = []
    for number, effect, _ in reversed(entry.lots):
        skipped = min(passed, -effect)
        passed -= skipped
        if part := min(points, -effect - skipped):
            parts.append((number, part))
            points -= part
    return entry.purchase_id, _lots_again(book, account, parts, until=until)


def _lots_again(
    book: Book, account: AccountState, parts: Sequence[tuple[int, int]], *, until: datetime
) -> list[Part]:
    """Return these lots with their parts; closed ones of the account become part of the book again."""
    assert account.lots is not None
    known = {lot.id: lot for lot in account.lots}
    anothers: set[int] = set()
    if missing := [number for number, _ in parts if number not in known]:
        wanted, params = db.any_of("l.id", "bigint", missing)
        for row in db.ask(_SOME_LOTS.format(wanted=wanted), [account.merchant_id, *params]).rows:
            known[row[1]] = _lot(row[1:])
            if row[0] == account.id:
                account.lots.append(known[row[1]])
            else:
                anothers.add(row[1])
    return [
        (book.sister(known[number], until, is_anothers=number in anothers), part) for number, part in parts
    ]


def purchase_of(*, entry_id: int) -> int | None:
    """Return the purchase that an entry names."""
    return Entry.objects.values_list("purchase_id", flat=True).get(pk=entry_id)


@db.inside_transaction
def write(book: Book) -> None:
    """Write every account, lot, hold and entry that changed: one statement per table."""
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
    _write_holds(changed)
    db.update(Account, [_account_row(account) for account in changed], key=["membership_id"])
    for account in changed:
        account.entries, account.new_lots, account.is_changed = [], [], False


def _write_holds(accounts: Sequence[AccountState]) -> None:
    changed = [(account, hold) for account in accounts for hold in account.holds if hold.is_changed]
    db.insert(Hold, [_hold_row(account, hold) for account, hold in changed if hold.is_new])
    db.update(Hold, [_hold_row(account, hold) for account, hold in changed if not hold.is_new], key=["id"])
    for _, hold in changed:
        hold.is_new = hold.is_changed = False


def _hold_row(account: AccountState, hold: HoldState) -> dict[str, Any]:
    return {
        "id": hold.id,
        "merchant_id": account.merchant_id,
        "account_id": account.id,
        "source": hold.source,
        "reference": hold.reference,
        "status": hold.status,
        "points": hold.points,
        "captured": hold.captured,
        "returned": hold.returned,
        "purpose": hold.purpose,
        "purchase_reference": hold.purchase_reference,
        "entry_id": hold.entry_id,
        "ttl_seconds": hold.ttl_seconds,
        "expires_at": hold.expires_at,
        "ended_at": hold.ended_at,
        "created_at": hold.created_at,
    }


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
        "is_merged": account.is_merged,
    }


@db.inside_transaction
def open_accounts(*, merchant_id: int, memberships: Collection[int]) -> None:
    """Open the account of each new membership: a missing row cannot be locked. Repeating changes nothing."""
    rows = [
        _account_row(AccountState(number, merchant_id)) | {"merchant_id": merchant_id}
        for number in memberships
    ]
    db.insert(Account, rows, on_conflict="DO NOTHING")
