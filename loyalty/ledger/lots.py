"""Lots of an account, in memory: made, copied, shrunk, and which of them is due first."""

from dataclasses import replace
from datetime import datetime

from lib import public_ids
from loyalty.ledger.states import (
    CLOSED,
    LIVE,
    OPEN,
    PENDING,
    AccountState,
    Cause,
    Grant,
    HoldState,
    LotState,
)


def first_due(account: AccountState, at: datetime) -> tuple[datetime, HoldState | LotState, int] | None:
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


def new_lot(grant: Grant, *, pays: int, is_pending: bool, cause: Cause) -> LotState:
    """Return the lot of a grant, less what pays a debt."""
    remaining = grant.points - pays
    return LotState(
        id=public_ids.new(),
        state=PENDING if is_pending else (OPEN if remaining else CLOSED),
        points=grant.points,
        remaining=remaining,
        earned_at=grant.earned_at or cause.occurred_at,
        activates_at=grant.activates_at if is_pending else cause.occurred_at,
        expires_at=grant.expires_at,
        purchase_id=cause.purchase_id,
        rule=grant.rule,
        is_new=True,
    )


def add_lot(account: AccountState, lot: LotState) -> None:
    """Put a new lot into an account."""
    account.new_lots.append(lot)
    if account.lots is not None:
        account.lots.append(lot)
    due = lot.due_at()
    if due is not None and (account.next_due_at is None or due < account.next_due_at):
        account.next_due_at = due


def copy_of(lot: LotState, points: int, *, keeps_purchase: bool) -> LotState:
    """Return a new lot of so many points with the dates of another."""
    return replace(
        lot,
        id=public_ids.new(),
        points=points,
        remaining=points,
        purchase_id=lot.purchase_id if keeps_purchase else None,
        is_new=True,
        is_changed=False,
    )


def shrink(lot: LotState, points: int) -> None:
    """Take points out of a lot."""
    lot.remaining -= points
    lot.is_changed = True
    if not lot.remaining:
        lot.state = CLOSED
