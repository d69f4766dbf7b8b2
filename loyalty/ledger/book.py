"""
The arithmetic of accounts, in memory: what each movement does to lots, sums and the chain.

Pure: no database, no clock. `rows.py` reads accounts into these shapes under a lock and writes back what
changed. Points are whole numbers. `active - debt` is always the sum of the entries' `points`; `active` is
the sum of the open lots, `pending` of the pending ones; debt is only there when nothing is active.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from lib import public_ids
from lib.errors import Refused

PENDING, OPEN, CLOSED = "pending", "open", "closed"
Reason = dict[str, Any]


class NotEnoughPoints(Refused):
    code = "insufficient_points"


class AccountInDebt(Refused):
    code = "account_in_debt"


@dataclass(slots=True)
class LotState:
    """Points with one expiry. `remaining` counts for pending and open alike; a closed lot has none."""

    id: int
    state: str
    points: int
    remaining: int
    earned_at: datetime
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    purchase_id: int | None = None
    rule: str = ""
    is_new: bool = False
    is_changed: bool = False

    def due_at(self) -> datetime | None:
        """Return when this lot next changes by itself."""
        if self.state == PENDING:
            return self.activates_at
        return self.expires_at if self.state == OPEN else None

    def order(self) -> tuple[bool, float, float, int]:
        """Sort key of consumption: earliest expiry first, never-expiring last, then oldest, then id."""
        ends = self.expires_at.timestamp() if self.expires_at else 0.0
        return (self.expires_at is None, ends, self.earned_at.timestamp(), self.id)


@dataclass(frozen=True, slots=True)
class Grant:
    """Points to give: at once, or pending until `activates_at` (None with `waits`: until released)."""

    points: int
    rule: str = ""
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Cause:
    """What a movement is for: copied onto its entry."""

    occurred_at: datetime
    reference: str = ""
    purchase_id: int | None = None
    reason: Reason = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """So many points that a movement took from a lot, which may be closed or another account's by now."""

    lot: LotState
    points: int


@dataclass(slots=True)
class AccountState:
    """One locked account. `lots` is None until they are read; earning does not need them."""

    id: int
    merchant_id: int
    active: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    lifetime_earned: int = 0
    purchases: int = 0
    sequence: int = 0
    head: str = ""
    next_due_at: datetime | None = None
    active_at: datetime | None = None
    lots: list[LotState] | None = None
    new_lots: list[LotState] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    is_changed: bool = False

    @property
    def available(self) -> int:
        return max(0, self.active - self.held)

    @property
    def balance(self) -> int:
        return self.active - self.debt


class Book:
    """The accounts of one command, and the key their chains are made with."""

    def __init__(
        self, *, accounts: Iterable[AccountState] = (), key: bytes = b"", now: datetime | None = None
    ):
        self.accounts = {account.id: account for account in accounts}
        self._now = now
        self._key = key

    def __getitem__(self, membership_id: int) -> AccountState:
        return self.accounts[membership_id]

    def earn(
        self, account: AccountState, grants: Sequence[Grant], *, cause: Cause, kind: str = "earn"
    ) -> None:
        """
        Give points: one entry for all grants, one lot each. Points usable at once pay debt first.
        """
        lots, usable, waiting = [], 0, 0
        owed = account.debt
        for grant in grants:
            is_pending = grant.waits or grant.activates_at is not None
            pays = 0 if is_pending else min(owed, grant.points)
            owed -= pays
            lot = _new_lot(grant, pays=pays, is_pending=is_pending, cause=cause)
            _add_lot(account, lot)
            if is_pending:
                waiting += grant.points
                lots.append([lot.id, 0, grant.points])
            else:
                usable += grant.points
                lots.append([lot.id, grant.points - pays, 0])
        account.active += usable - (account.debt - owed)
        account.debt = owed
        account.pending += waiting
        account.lifetime_earned += usable + waiting
        self._post(account, kind=kind, points=usable, pending=waiting, lots=lots, cause=cause)

    def settle(self, account: AccountState, *, at: datetime) -> None:
        """Do what time has done by `at`, in the order it happened: activate pending lots, expire open ones."""
        assert account.lots is not None
        while due := min(
            (lot for lot in account.lots if (when := lot.due_at()) is not None and when <= at),
            key=lambda lot: (lot.due_at(), lot.id),
            default=None,
        ):
            if due.state == PENDING:
                self.activate(account, due, at=due.activates_at or at)
            elif not self._expire(account, due):
                break
        refresh_due(account)

    def activate(self, account: AccountState, lot: LotState, *, at: datetime, by: str = "") -> None:
        """Make a pending lot usable; it pays debt first."""
        points = lot.remaining
        pays = min(account.debt, points)
        lot.state, lot.remaining, lot.is_changed = (OPEN if points > pays else CLOSED), points - pays, True
        lot.activates_at = at
        account.debt -= pays
        account.pending -= points
        account.active += points - pays
        self._post(
            account,
            kind="activate",
            points=points,
            pending=-points,
            lots=[[lot.id, points - pays, -points]],
            cause=Cause(at, purchase_id=lot.purchase_id, reason={"code": "activate"}, by=by),
        )

    def _expire(self, account: AccountState, lot: LotState) -> bool:
        # What is held at a checkout does not expire: the lot is left alone until the hold ends.
        points = min(lot.remaining, account.active - account.held)
        if points <= 0 < lot.remaining:
            return False
        ended = lot.expires_at
        assert ended is not None
        _shrink(lot, points)
        account.active -= points
        self._post(
            account,
            kind="expire",
            points=-points,
            lots=[[lot.id, -points, 0]],
            # It does not name the purchase: what names one adds up to zero after a full refund.
            cause=Cause(ended, reason={"code": "expire"}),
        )
        return lot.state == CLOSED

    def refresh_due(self, account: AccountState) -> None:
        """Find the account's next due time again after its lots were moved by hand."""
        refresh_due(account)

    def move_expiry(self, account: AccountState, *, to: datetime | None) -> None:
        """Move the expiry of every open lot: activity keeps all points alive. Never to an earlier time."""
        assert account.lots is not None
        for lot in account.lots:
            if lot.state == OPEN and lot.expires_at and to and to > lot.expires_at:
                lot.expires_at, lot.is_changed = to, True
        account.is_changed = True
        refresh_due(account)

    def spend(self, account: AccountState, points: int, *, cause: Cause, kind: str = "redeem") -> None:
        """
        Take points a customer chose to spend, earliest expiry first.

        :raises AccountInDebt: the customer owes points
        :raises NotEnoughPoints: fewer than `points` are available
        """
        if account.debt:
            raise AccountInDebt(f"The account owes {account.debt} points; new points pay that first.")
        if points > account.available:
            raise NotEnoughPoints(f"{points} points are needed, {account.available} are available.")
        self._post(account, kind=kind, points=-points, lots=self._consume(account, points), cause=cause)

    def take(self, account: AccountState, points: int, *, cause: Cause, kind: str) -> None:
        """Take points in any case; what is not there becomes debt."""
        usable = min(points, account.active)
        lots = self._consume(account, usable)
        account.debt += points - usable
        self._post(account, kind=kind, points=-points, lots=lots, cause=cause)

    def claw_back(
        self, account: AccountState, points: int, *, purchase_id: int, policy: str, cause: Cause
    ) -> int:
        """
        Take back what a purchase gave: its pending lots, its open lots, then others, earliest expiry first.

        What is missing becomes debt (`negative`), or is written off in an entry of its own (`clamp` and
        `review`). Return the points written off.
        """
        assert account.lots is not None
        own = sorted((lot for lot in account.lots if lot.purchase_id == purchase_id), key=LotState.order)
        pending, lots = 0, []
        for lot in own:
            if lot.state == PENDING and (part := min(lot.remaining, points - pending)):
                _shrink(lot, part)
                pending += part
                lots.append([lot.id, 0, -part])
        account.pending -= pending
        rest = points - pending
        usable = min(rest, account.active)
        lots += self._consume(account, usable, first=[lot for lot in own if lot.state == OPEN])
        missing = rest - usable
        account.debt += missing
        self._post(account, kind="clawback", points=-rest, pending=-pending, lots=lots, cause=cause)
        if not missing or policy == "negative":
            return 0
        account.debt -= missing
        reason = {"code": "write_off", "policy": policy, "purchase": purchase_id}
        self._post(
            account,
            kind="write_off",
            points=missing,
            lots=[],
            cause=Cause(cause.occurred_at, cause.reference, None, reason, cause.by),
        )
        return missing

    def give_back(
        self, account: AccountState, taken: Sequence[Taken], *, keep_until: datetime, cause: Cause
    ) -> int:
        """
        Give back points that were spent, to the lots they came from, and return how many.

        They keep their expiry, but never one before `keep_until`: then they get a lot of their own, so that
        what else is in the old one lives no longer. Debt that arose meanwhile is paid first.
        """
        assert account.lots is not None
        here = {lot.id: lot for lot in account.lots}
        lots, total, owed = [], sum(one.points for one in taken), account.debt
        for one in taken:
            pays = min(owed, one.points)
            owed -= pays
            lot = here.get(one.lot.id)
            is_long_enough = one.lot.expires_at is None or one.lot.expires_at >= keep_until
            if lot is None or not is_long_enough:
                lot = _again(one, keep_until=keep_until)
                _add_lot(account, lot)
            lot.remaining += one.points - pays
            lot.state, lot.is_changed = (OPEN if lot.remaining else CLOSED), True
            lots.append([lot.id, one.points - pays, 0])
        account.active += total - (account.debt - owed)
        account.debt = owed
        refresh_due(account)
        self._post(account, kind="return", points=total, lots=lots, cause=cause)
        return total

    def _consume(self, account: AccountState, points: int, first: Sequence[LotState] = ()) -> list[list[int]]:
        assert account.lots is not None
        left, taken = points, []
        others = sorted(
            (lot for lot in account.lots if lot.state == OPEN and lot not in first), key=LotState.order
        )
        for lot in (*first, *others):
            if not left:
                break
            if part := min(lot.remaining, left):
                _shrink(lot, part)
                left -= part
                taken.append([lot.id, -part, 0])
        account.active -= points
        refresh_due(account)
        return taken

    def _post(
        self,
        account: AccountState,
        *,
        kind: str,
        points: int,
        lots: list[list[int]],
        cause: Cause,
        pending: int = 0,
    ) -> None:
        account.sequence += 1
        entry = {
            "id": public_ids.new(),
            "merchant_id": account.merchant_id,
            "account_id": account.id,
            "sequence": account.sequence,
            "kind": kind,
            "points": points,
            "pending": pending,
            "balance_after": account.balance,
            "purchase_id": cause.purchase_id,
            "reference": cause.reference,
            "reason": cause.reason,
            "lots": lots,
            "by": cause.by,
            "occurred_at": cause.occurred_at,
            "created_at": self._now or cause.occurred_at,
            "chain": "",
        }
        account.head = entry["chain"] = link(self._key, account.head, entry)
        account.entries.append(entry)
        account.is_changed = True


def link(key: bytes, head: str, entry: dict[str, Any]) -> str:
    """
    Return the chain value of an entry: a keyed BLAKE2b over it and the value before it, 32 hex letters.

    Nobody without the key can change, drop or insert an entry of the past and leave a chain that verifies.
    """
    body = (
        f"{head}|{entry['merchant_id']}|{entry['account_id']}|{entry['sequence']}|{entry['kind']}"
        f"|{entry['points']}|{entry['pending']}|{entry['balance_after']}|{entry['purchase_id'] or ''}"
        f"|{entry['reference']}|{entry['by']}|{int(entry['occurred_at'].timestamp() * 1000)}|"
    ).encode() + orjson.dumps([entry["lots"], entry["reason"]], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(body, digest_size=16, key=key).hexdigest()


def refresh_due(account: AccountState) -> None:
    """Set the account's next due time from its lots."""
    assert account.lots is not None
    account.next_due_at = min((when for lot in account.lots if (when := lot.due_at())), default=None)


def _new_lot(grant: Grant, *, pays: int, is_pending: bool, cause: Cause) -> LotState:
    remaining = grant.points - pays
    return LotState(
        id=public_ids.new(),
        state=PENDING if is_pending else (OPEN if remaining else CLOSED),
        points=grant.points,
        remaining=remaining,
        earned_at=cause.occurred_at,
        activates_at=grant.activates_at if is_pending else cause.occurred_at,
        expires_at=grant.expires_at,
        purchase_id=cause.purchase_id,
        rule=grant.rule,
        is_new=True,
    )


def _again(taken: Taken, *, keep_until: datetime) -> LotState:
    """Return an empty lot for points that come back and cannot go into their old one."""
    old = taken.lot
    return LotState(
        id=public_ids.new(),
        state=OPEN,
        points=taken.points,
        remaining=0,
        earned_at=old.earned_at,
        activates_at=old.activates_at,
        expires_at=max(old.expires_at, keep_until) if old.expires_at else None,
        purchase_id=old.purchase_id,
        rule=old.rule,
        is_new=True,
    )


def _add_lot(account: AccountState, lot: LotState) -> None:
    account.new_lots.append(lot)
    if account.lots is not None:
        account.lots.append(lot)
    due = lot.due_at()
    if due is not None and (account.next_due_at is None or due < account.next_due_at):
        account.next_due_at = due


def _shrink(lot: LotState, points: int) -> None:
    lot.remaining -= points
    lot.is_changed = True
    if not lot.remaining:
        lot.state = CLOSED
