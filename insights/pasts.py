"""
What happened to one customer, as plain data: a rehearsal lives it again under another plan.

Amounts are minor units, points whole numbers. `key` orders what happened as it was recorded.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from loyalty.refunding import ReturnLine
from loyalty.sale import Sale

Key = tuple[int, int]


@dataclass(slots=True)
class Sold:
    """
    A sale: judged by its own time, its customer's tier reviewed when it was recorded.

    `earned` and `tier` are what it really earned, in which tier. `row` is what refunds compute with, only
    where there are some.
    """

    key: Key
    when: datetime
    reviewed_at: datetime
    sale: Sale
    earned: int
    tier: str
    row: dict[str, Any] | None = None


@dataclass(slots=True)
class GivenBack:
    """A refund of a sale of this past."""

    key: Key
    when: datetime
    purchase_id: int
    amount_minor: int | None
    lines: tuple[ReturnLine, ...]


@dataclass(slots=True)
class TakenBack:
    """A refund of a sale from before the rehearsal: it takes back what it took."""

    key: Key
    when: datetime
    purchase_id: int
    day: date
    currency: str
    orders: int
    spend_minor: int
    qualifying: int
    points: int


@dataclass(slots=True)
class Moved:
    """
    Any other movement of points: spent, given by staff, a bonus of a rule.

    `rule` is the code of the rule that gave it; `is_fate` says that a debt may follow from it.
    """

    key: Key
    when: datetime
    kind: str
    points: int
    rule: str = ""
    is_fate: bool = False
    purchase_id: int | None = None


@dataclass(slots=True)
class Appointed:
    """A tier given by hand."""

    key: Key
    when: datetime
    tier: str
    until: datetime


Event = Sold | GivenBack | TakenBack | Moved | Appointed


@dataclass(slots=True)
class Past:
    """
    One membership: where it stood when the rehearsal begins, and what happened since.

    `days` are (day, currency, orders, spend, points) before the beginning; `times` how often capped rules
    had given by then; `lots` the points there were.
    """

    membership_id: int
    customer_id: int
    joined_at: datetime
    tier: str = ""
    tier_since: datetime | None = None
    days: list[tuple[date, str, int, int, int]] = field(default_factory=list)
    purchases_before: int = 0
    times: dict[tuple[str, str, date], int] = field(default_factory=dict)
    segments: frozenset[str] = frozenset()
    lots: list[dict[str, Any]] = field(default_factory=list)
    debt: int = 0
    events: list[Event] = field(default_factory=list)
