"""
The arithmetic of accounts, in memory: what each movement does to lots, holds, sums and the chain.

Pure: no database, no clock. `rows.py` reads accounts into these shapes under a lock and writes back what
changed. Points are whole numbers. `active - debt` is always the sum of the entries' `points`; `active` is
the sum of the open lots, `pending` of the pending ones, `held` of the live holds; debt is only there when
nothing is active.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from lib import public_ids
from lib.errors import Refused
from loyalty.ledger.states import (
    CANCELLED,
    CAPTURED,
    CLOSED,
    EXPIRED,
    LIVE,
    OPEN,
    PENDING,
    AccountState,
    Cause,
    Grant,
    HoldState,
    LotState,
)


class NotEnoughPoints(Refused):
    code = "insufficient_points"


class AccountInDebt(Refused):
    code = "account_in_debt"


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
        """
        Do what time has done by `at`, in the order it happened: end holds, activate pending lots, expire
        open ones. What a live hold keeps expires when the hold ends.
        """
        assert account.lots is not None
        now = account.settled_to
        while due := _first_due(account, at):
            when, what, points = due
            now = when if now is None else max(now, when)
            if isinstance(what, HoldState):
                self._end(account, what, status=EXPIRED, at=now)
                what.has_lapsed = True
            elif what.state == PENDING:
                self.activate(account, what, at=when)
            else:
                self._expire(account, what, points, at=now)
        account.settled_to = at if account.settled_to is None else max(account.settled_to, at)
        account.refresh_due()

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

    def _expire(self, account: AccountState, lot: LotState, points: int, *, at: datetime) -> None:
        _shrink(lot, points)
        account.active -= points
        self._post(
            account,
            kind="expire",
            points=-points,
            lots=[[lot.id, -points, 0]],
            # It does not name the purchase: what names one adds up to zero after a full refund.
            cause=Cause(at, reason={"code": "expire"}),
        )

    def refresh_due(self, account: AccountState) -> None:
        """Find the account's next due time again after its lots were moved by hand."""
        account.refresh_due()

    def move_expiry(self, account: AccountState, *, to: datetime | None) -> None:
        """Move the expiry of every open lot: activity keeps all points alive. Never to an earlier time."""
        assert account.lots is not None
        for lot in account.lots:
            if lot.state == OPEN and lot.expires_at and to and to > lot.expires_at:
                lot.expires_at, lot.is_changed = to, True
        account.is_changed = True
        account.refresh_due()

    def spend(self, account: AccountState, points: int, *, cause: Cause, kind: str = "redeem") -> None:
        """
        Take points a customer chose to spend, earliest expiry first.

        :raises AccountInDebt: the customer owes points
        :raises NotEnoughPoints: fewer than `points` are available
        """
        _insist(account, points)
        self._post(account, kind=kind, points=-points, lots=self._consume(account, points), cause=cause)

    def take(self, account: AccountState, points: int, *, cause: Cause, kind: str) -> None:
        """Take points in any case; what is not there becomes debt."""
        usable = min(points, account.active)
        lots = self._consume(account, usable)
        account.debt += points - usable
        self._post(account, kind=kind, points=-points, lots=lots, cause=cause)
        self._cut_holds(account, at=cause.occurred_at)

    def reserve(self, account: AccountState, hold: HoldState, *, points: int, until: datetime) -> None:
        """
        Set points aside until a time: for a new hold, or anew for one that is there, live or past its end.

        :raises AccountInDebt: the customer owes points
        :raises NotEnoughPoints: fewer than `points` are available beside what the hold has
        """
        _insist(account, points, beside=hold.reserves)
        account.held += points - hold.reserves
        hold.points, hold.status, hold.expires_at, hold.ended_at = points, LIVE, until, None
        hold.is_changed = account.is_changed = True
        hold.has_lapsed = False
        if all(one.id != hold.id for one in account.holds):
            account.holds.append(hold)
        self._settle_again(account)

    def capture(self, account: AccountState, hold: HoldState, points: int, *, cause: Cause) -> None:
        """
        Use points of a hold, those that expire first, and free its rest. Past its end it has none of its
        own, and takes what is available.

        :raises AccountInDebt: it is past its end, and the customer owes points
        :raises NotEnoughPoints: it is past its end, and fewer than `points` are available
        """
        is_live = hold.status == LIVE
        if not is_live:
            _insist(account, points)
        account.held -= hold.reserves
        hold.status, hold.captured, hold.ended_at = CAPTURED, points, cause.occurred_at
        hold.is_changed = True
        lots = self._consume(account, points, spare_past=not is_live)
        self._post(account, kind="hold_capture", points=-points, lots=lots, cause=cause)
        hold.entry_id = account.entries[-1]["id"]
        self._settle_again(account)

    def free(self, account: AccountState, hold: HoldState, *, at: datetime) -> None:
        """Cancel a hold: its points are available again, or expire if it kept them from that."""
        self._end(account, hold, status=CANCELLED, at=at)
        hold.has_lapsed = False
        self._settle_again(account)

    def give_back(
        self, account: AccountState, hold: HoldState, parts: Sequence[tuple[LotState, int]], *, cause: Cause
    ) -> None:
        """Give points of a captured hold back to the lots they came from; they pay debt first."""
        assert account.lots is not None
        points = sum(part for _, part in parts)
        lots, owed = [], account.debt
        for lot, part in parts:
            pays = min(owed, part)
            owed -= pays
            if kept := part - pays:
                lot.remaining += kept
                lot.state, lot.is_changed = OPEN, True
                lots.append([lot.id, kept, 0])
                if lot.is_new:
                    lot.points = kept
                    _add_lot(account, lot)
        account.active += points - (account.debt - owed)
        account.debt = owed
        hold.returned, hold.is_changed = hold.returned + points, True
        self._post(account, kind="return", points=points, lots=lots, cause=cause)
        account.refresh_due()

    @staticmethod
    def sister(lot: LotState, until: datetime) -> LotState:
        """Return the lot itself, or an empty new one that lasts until then if this one ends before."""
        if lot.expires_at is None or lot.expires_at >= until:
            return lot
        return replace(
            lot, id=public_ids.new(), state=CLOSED, points=0, remaining=0, expires_at=until, is_new=True
        )

    def _end(self, account: AccountState, hold: HoldState, *, status: str, at: datetime) -> None:
        account.held -= hold.reserves
        hold.status, hold.ended_at = status, at
        hold.is_changed = account.is_changed = True

    def _cut_holds(self, account: AccountState, *, at: datetime) -> None:
        """End holds, the newest first, whose points were taken: nobody may hold what is not there."""
        if account.held <= account.active:
            return
        for hold in sorted(account.holds, key=lambda one: (one.created_at, one.id), reverse=True):
            if hold.status == LIVE and account.held > account.active:
                self._end(account, hold, status=EXPIRED, at=at)
                hold.has_lapsed = True
        self._settle_again(account)

    def _settle_again(self, account: AccountState) -> None:
        """Let expire what a hold no longer keeps from it."""
        if account.settled_to is not None:
            self.settle(account, at=account.settled_to)
        else:
            account.refresh_due()

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
        self._cut_holds(account, at=cause.occurred_at)
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

    def _consume(
        self,
        account: AccountState,
        points: int,
        first: Sequence[LotState] = (),
        *,
        spare_past: bool = True,
    ) -> list[list[int]]:
        """Take points from the open lots; those past their expiry are there for a hold, and come last."""
        assert account.lots is not None
        left, taken = points, []
        others = sorted(
            (lot for lot in account.lots if lot.state == OPEN and lot not in first),
            key=lambda lot: (spare_past and account.is_past(lot), *lot.order()),
        )
        for lot in (*first, *others):
            if not left:
                break
            if part := min(lot.remaining, left):
                _shrink(lot, part)
                left -= part
                taken.append([lot.id, -part, 0])
        account.active -= points
        account.refresh_due()
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


def _insist(account: AccountState, points: int, *, beside: int = 0) -> None:
    if account.debt:
        raise AccountInDebt(f"The account owes {account.debt} points; new points pay that first.")
    available = account.available + beside
    if points > available:
        raise NotEnoughPoints(f"{points} points are needed, {available} are available.")


def _first_due(account: AccountState, at: datetime) -> tuple[datetime, HoldState | LotState, int] | None:
    """Return what happens first by `at`, when, and to how many points. A hold ends before points expire."""
    due: list[tuple[datetime, bool, int, HoldState | LotState, int]] = [
        (hold.expires_at, False, hold.id, hold, hold.points)
        for hold in account.holds
        if hold.status == LIVE and hold.expires_at <= at
    ]
    due += [
        (when, True, lot.id, lot, lot.remaining)
        for lot in account.lots or ()
        if lot.state == PENDING and (when := lot.activates_at) is not None and when <= at
    ]
    due += [
        (when, True, lot.id, lot, points)
        for lot, points in account.expirable()
        if points and (when := lot.expires_at) is not None and when <= at
    ]
    if not due:
        return None
    when, _, _, what, points = min(due, key=lambda one: one[:3])
    return when, what, points


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
