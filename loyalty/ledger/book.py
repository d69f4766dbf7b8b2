"""
The arithmetic of accounts, in memory: what each movement does to lots, holds, sums and the chain.

Pure: no database, no clock. `rows.py` reads accounts into these shapes under a lock and writes back what
changed. Points are whole numbers. `active - debt` is always the sum of the entries' `points`; `active` is
the sum of the open lots, `pending` of the pending ones, `held` of the live holds; debt is only there when
nothing is active.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lib import public_ids
from lib.errors import Refused
from loyalty.ledger.lots import add_lot, copy_of, first_due, new_lot, shrink
from loyalty.ledger.posting import Posting
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
    Part,
)


class NotEnoughPoints(Refused):
    code = "insufficient_points"


class AccountInDebt(Refused):
    code = "account_in_debt"


class Book(Posting):
    """The accounts of one command, and the key their chains are made with."""

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
            lot = new_lot(grant, pays=pays, is_pending=is_pending, cause=cause)
            add_lot(account, lot)
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

    def recall(self, account: AccountState, *, cause: Cause, kind: str = "adjust") -> None:
        """Write an entry that moves nothing: what happened elsewhere, as a line of the statement."""
        self._post(account, kind=kind, points=0, lots=[], cause=cause)

    def settle(self, account: AccountState, *, at: datetime) -> None:
        """
        Do what time has done by `at`, in the order it happened: end holds, activate pending lots, expire
        open ones. What a live hold keeps expires when the hold ends.
        """
        assert account.lots is not None
        now = account.settled_to
        while due := first_due(account, at):
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
        shrink(lot, points)
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

    def extend(self, account: AccountState, lots: Sequence[LotState], *, to: datetime, cause: Cause) -> None:
        """Move the expiry of these open lots to a later time, with an entry that moves no points."""
        assert account.lots is not None
        for lot in lots:
            lot.expires_at, lot.is_changed = to, True
        self._post(account, kind="extend", points=0, lots=[[lot.id, 0, 0] for lot in lots], cause=cause)
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
        self,
        account: AccountState,
        parts: Sequence[Part],
        *,
        cause: Cause,
    ) -> None:
        """Give points that were spent back to these lots; they pay debt first."""
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
                    add_lot(account, lot)
        account.active += points - (account.debt - owed)
        account.debt = owed
        self._post(account, kind="return", points=points, lots=lots, cause=cause)
        account.refresh_due()

    @staticmethod
    def sister(lot: LotState, until: datetime, *, is_anothers: bool = False) -> LotState:
        """Return the lot itself, or an empty new one: of another account's lot, or if it ends before `until`."""
        ends = lot.expires_at if lot.expires_at is None else max(lot.expires_at, until)
        if ends == lot.expires_at and not is_anothers:
            return lot
        return replace(
            lot, id=public_ids.new(), state=CLOSED, points=0, remaining=0, expires_at=ends, is_new=True
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
        self,
        account: AccountState,
        points: int,
        *,
        policy: str,
        cause: Cause,
        purchase_id: int | None = None,
        rule: str = "",
    ) -> int:
        """
        Take back what a purchase (or without one, a bonus of this `rule`) gave: its pending lots, its open
        lots, then others, earliest expiry first.

        What is missing becomes debt (`negative`), or is written off in an entry of its own (`clamp` and
        `review`). Return the points written off.
        """
        assert account.lots is not None
        own = sorted(
            (
                lot
                for lot in account.lots
                if (lot.purchase_id == purchase_id if purchase_id is not None else lot.rule == rule)
            ),
            key=LotState.order,
        )
        pending, lots = 0, []
        for lot in own:
            if lot.state == PENDING and (part := min(lot.remaining, points - pending)):
                shrink(lot, part)
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

    def move(
        self,
        giver: AccountState,
        taker: AccountState,
        parts: Sequence[Part],
        *,
        kinds: tuple[str, str],
        causes: tuple[Cause, Cause],
        debt: int = 0,
        keeps_purchase: bool = True,
    ) -> list[tuple[int, int]]:
        """
        Move parts of lots, each with its own dates, and a debt to another account: one entry on each side.

        Usable points pay what the taker owes; a debt takes what the taker has. Return the lots that gave
        with the new ones: (lot id, new lot id). What the customers earned in their lives is not changed.
        """
        usable = sum(points for lot, points in parts if lot.state == OPEN)
        waiting = sum(points for lot, points in parts if lot.state == PENDING)
        new = [copy_of(lot, points, keeps_purchase=keeps_purchase) for lot, points in parts]
        given = []
        for lot, points in parts:
            given.append([lot.id, -points, 0] if lot.state == OPEN else [lot.id, 0, -points])
            shrink(lot, points)
        giver.active, giver.pending = giver.active - usable, giver.pending - waiting
        giver.debt -= debt
        giver.refresh_due()
        self._post(giver, kind=kinds[0], points=debt - usable, pending=-waiting, lots=given, cause=causes[0])
        got = self._receive(taker, new)
        if debt:
            covered = min(debt, taker.active)
            got += self._consume(taker, covered)
            taker.debt += debt - covered
        self._post(taker, kind=kinds[1], points=usable - debt, pending=waiting, lots=got, cause=causes[1])
        return [(lot.id, copy.id) for (lot, _), copy in zip(parts, new, strict=True)]

    def _receive(self, taker: AccountState, new: Sequence[LotState]) -> list[list[int]]:
        """Add lots to an account: usable ones, those that expire first before others, pay its debt."""
        got = []
        for lot in sorted(new, key=LotState.order):
            if lot.state == PENDING:
                taker.pending += lot.points
                got.append([lot.id, 0, lot.points])
            else:
                pays = min(taker.debt, lot.points)
                lot.remaining -= pays
                lot.state = OPEN if lot.remaining else CLOSED
                taker.debt -= pays
                taker.active += lot.remaining
                got.append([lot.id, lot.remaining, 0])
            add_lot(taker, lot)
        return got

    def pick(self, account: AccountState, points: int) -> list[Part]:
        """
        Return the parts of lots that a customer's own wish to give points away takes, earliest expiry first.

        :raises AccountInDebt: the customer owes points
        :raises NotEnoughPoints: fewer than `points` are available
        """
        _insist(account, points)
        assert account.lots is not None
        left, parts = points, []
        for lot in sorted((lot for lot in account.lots if lot.state == OPEN), key=LotState.order):
            if part := min(lot.remaining, left):
                parts.append((lot, part))
                left -= part
        return parts


def _insist(account: AccountState, points: int, *, beside: int = 0) -> None:
    if account.debt:
        raise AccountInDebt(f"The account owes {account.debt} points; new points pay that first.")
    available = account.available + beside
    if points > available:
        raise NotEnoughPoints(f"{points} points are needed, {available} are available.")
