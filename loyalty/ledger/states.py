"""What a book works with, in memory: accounts with their lots and live holds, and what is to be done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lib import public_ids

PENDING, OPEN, CLOSED = "pending", "open", "closed"
LIVE, CAPTURED, CANCELLED, EXPIRED = "active", "captured", "cancelled", "expired"
Reason = dict[str, Any]


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


Part = tuple[LotState, int]  # a lot, and how many of its points


@dataclass(slots=True)
class HoldState:
    """
    Points set aside for a checkout. While it is `active` they are part of the account's `held`.

    `captured` were used, by the entry `entry_id`; `returned` of them came back with refunds. `ttl_seconds`
    is the life that was asked for; extending moves `expires_at` only. `has_lapsed`: it ended by itself in
    this command.
    """

    id: int
    points: int
    status: str
    expires_at: datetime
    created_at: datetime
    reference: str = ""
    source: str = ""
    ttl_seconds: int = 0
    captured: int = 0
    returned: int = 0
    purchase_reference: str = ""
    purpose: Reason = field(default_factory=dict)
    entry_id: int | None = None
    ended_at: datetime | None = None
    is_new: bool = False
    is_changed: bool = False
    has_lapsed: bool = False

    def facts(self) -> Reason:
        """Return what a touchpoint says of it."""
        return {"hold": public_ids.show("hld", self.id), "reference": self.reference, "points": self.points}

    @property
    def reserves(self) -> int:
        """The points it keeps from being spent or expiring."""
        return self.points if self.status == LIVE else 0


@dataclass(frozen=True, slots=True)
class Grant:
    """
    Points to give: at once, or pending until `activates_at` (None with `waits`: until released).

    `earned_at` is for points that were earned before, elsewhere; without it they are earned now.
    """

    points: int
    rule: str = ""
    activates_at: datetime | None = None
    expires_at: datetime | None = None
    waits: bool = False
    earned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What a movement is for: copied onto its entry."""

    occurred_at: datetime
    reference: str = ""
    purchase_id: int | None = None
    reason: Reason = field(default_factory=dict)
    by: str = ""


@dataclass(slots=True)
class AccountState:
    """
    One locked account. `lots` is None until they are read; earning does not need them. Live holds are read
    with them, where `held` says that there are some. `settled_to` is the time up to which all that was
    due is done.
    """

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
    is_merged: bool = False
    lots: list[LotState] | None = None
    holds: list[HoldState] = field(default_factory=list)
    settled_to: datetime | None = None
    new_lots: list[LotState] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    is_changed: bool = False

    @property
    def available(self) -> int:
        return max(0, self.active - self.held)

    @property
    def balance(self) -> int:
        return self.active - self.debt

    def is_due(self, at: datetime) -> bool:
        """Tell whether something happens by itself by `at`: a lot activates or expires, a hold ends."""
        return self.next_due_at is not None and self.next_due_at <= at

    def is_past(self, lot: LotState) -> bool:
        """Tell whether an open lot is past its expiry: only a live hold keeps such a one."""
        return (
            lot.state == OPEN
            and lot.expires_at is not None
            and self.settled_to is not None
            and lot.expires_at <= self.settled_to
        )

    def expirable(self) -> Iterator[tuple[LotState, int]]:
        """
        Yield the open lots with the points that may expire, in the order of use: all but what is held.

        A hold keeps the points that its capture would use, so those of the lots that expire first.
        """
        kept = self.held
        lots = (lot for lot in self.lots or () if lot.state == OPEN)
        for lot in sorted(lots, key=LotState.order) if kept else lots:
            part = min(kept, lot.remaining)
            kept -= part
            yield lot, lot.remaining - part

    def refresh_due(self) -> None:
        """Find again when something next happens by itself: a lot activates or expires, a hold ends."""
        assert self.lots is not None
        times = [when for lot in self.lots if (when := lot.due_at()) and not self.is_past(lot)]
        times += [hold.expires_at for hold in self.holds if hold.status == LIVE]
        self.next_due_at = min(times, default=None)
