"""What an earning rule is. Rules are arithmetic: they import neither Django nor the clock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LineKind = Literal["goods", "service", "shipping", "tip", "gift_card", "deposit"]
EARNING_LINES = ("goods", "service")
Role = Literal["base", "multiplier", "bonus", "event"]
TenderKind = Literal["cash", "card", "gift_card", "store_credit", "points", "voucher", "other"]
UNEARNING_TENDERS = ("points", "voucher")
Points = Annotated[int, Field(ge=0, le=1_000_000_000)]
Code = Annotated[str, Field(min_length=1, max_length=60)]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sale. `amount_minor` is the price of the whole line after all discounts."""

    id: str
    amount_minor: int
    kind: LineKind = "goods"
    quantity: int = 1
    sku: str = ""
    name: str = ""
    category: str = ""
    tax_minor: int = 0


@dataclass(frozen=True, slots=True)
class Tender:
    """One part of the payment. `ref` names the hold, redemption or code behind points and vouchers."""

    kind: TenderKind
    amount_minor: int
    ref: str = ""


@dataclass(slots=True)
class Basket:
    """
    What a rule may know of a sale.

    `lines` pairs each earning line with the minor units of it that earn; `local` is the time of the sale
    in the merchant's zone; `times` says how often each capped rule already gave points, by (rule, period).
    """

    currency: str
    lines: list[tuple[Line, int]]
    local: datetime
    tier: str = ""
    segments: frozenset[str] = frozenset()
    purchases_before: int = 0
    store: str = ""
    channel: str = ""
    times: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def basis_minor(self) -> int:
        return sum(earning for _, earning in self.lines)


class Params(BaseModel):
    """The settings every rule has: when it applies, how often, and when its points become usable."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: date | None = Field(None, alias="from", description="First day it applies (the merchant's date).")
    until: date | None = Field(None, description="Last day it applies.")
    weekdays: tuple[Weekday, ...] = Field((), description="Only on these days of the week.")
    time_from: time | None = Field(None, description="Only from this time of day on, like 07:00.")
    time_until: time | None = Field(None, description="Only before this time of day, like 11:00.")
    categories: tuple[Code, ...] = Field((), description="Only on lines of these categories.")
    tiers: tuple[Code, ...] = Field((), description="Only for customers with one of these tiers.")
    segments: tuple[Code, ...] = Field((), description="Only for customers in one of these segments.")
    stores: tuple[Code, ...] = Field((), description="Only in these stores (their codes).")
    channels: tuple[Code, ...] = Field((), description="Only on these channels: store, web, app.")
    min_amount_minor: int = Field(0, ge=0, description="Only when what earns is at least this (in cents).")
    group: str = Field(
        "", max_length=60, description="Of the rules with one group name, only the best counts."
    )
    pending_days: int = Field(0, ge=0, le=366, description="Days until the points can be used.")
    on_event: bool = Field(False, description="The points wait until the sale is released.")
    cap_per_day: int | None = Field(None, ge=1, description="At most so many times a day.")
    cap_per_month: int | None = Field(None, ge=1, description="At most so many times a month.")
    cap_per_year: int | None = Field(None, ge=1, description="At most so many times a year.")
    cap_ever: int | None = Field(None, ge=1, description="At most so many times in all.")
    max_points: Points | None = Field(None, description="At most so many points each time.")
    qualifies: bool | None = Field(None, description="Whether its points count for tiers; empty: as usual.")


Settings = Params


class Rule:
    """
    One way to earn points.

    `kind` is stored in the database: never rename it. `role` says how the worth is used: the best `base`
    rule's worth is points per minor unit; a `multiplier`'s worth multiplies the base on the lines it
    matches; a `bonus` is a number of points on top; an `event` gives its points outside of a sale.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    role: ClassVar[Role]
    qualifies: ClassVar[bool] = True
    Params: ClassVar[type[Settings]] = Settings

    def worth(self, basket: Basket, params: Settings) -> Fraction | None:
        """Return what the rule is worth on this sale; None when it cannot say (no rate for the currency)."""
        raise NotImplementedError

    def why_not(self, basket: Basket, params: Settings) -> str | None:
        """Return the code of the first condition that is not met; None when all are."""
        return None


class Bonus(Rule):
    """A rule that is worth a number of points, whatever was spent."""

    role: ClassVar[Role] = "bonus"

    class Params(Settings):
        points: Points = Field(description="So many points each time.")

    def worth(self, basket: Basket, params: Settings) -> Fraction | None:
        assert isinstance(params, Bonus.Params)
        return exact(params.points)


CAPS = {"cap_per_day": "day", "cap_per_month": "month", "cap_per_year": "year", "cap_ever": "ever"}


Condition = tuple[str, Callable[[Basket], bool]]


def conditions(params: Params, rule: str) -> tuple[Condition, ...]:
    """
    Return what a sale must meet, in the order it is looked at: (code of the refusal, is it met?).

    Only what the settings ask for, so that a rule without any costs a sale nothing.
    """
    found: list[Condition] = []
    first, last, start, end = params.from_, params.until, params.time_from, params.time_until
    if first or last:
        within = (first or date.min, last or date.max)
        found.append(("not_on_this_day", lambda basket: within[0] <= basket.local.date() <= within[1]))
    if params.weekdays:
        days = {WEEKDAYS.index(day) for day in params.weekdays}
        found.append(("not_on_this_weekday", lambda basket: basket.local.weekday() in days))
    if start or end:
        found.append(("not_at_this_time", lambda basket: _is_within(basket.local.time(), start, end)))
    if params.tiers:
        found.append(("not_for_this_tier", lambda basket: basket.tier in params.tiers))
    if params.stores:
        found.append(("not_in_this_store", lambda basket: basket.store in params.stores))
    if params.channels:
        found.append(("not_on_this_channel", lambda basket: basket.channel in params.channels))
    if params.segments:
        found.append(("not_in_this_segment", lambda basket: not basket.segments.isdisjoint(params.segments)))
    if params.categories:
        found.append(
            ("not_on_these_goods", lambda basket: any(matches(line, params) for line, _ in basket.lines))
        )
    if params.min_amount_minor:
        found.append(("amount_too_small", lambda basket: basket.basis_minor >= params.min_amount_minor))
    found += [
        (f"{name}_reached", _below(cap, (rule, period)))
        for name, period in CAPS.items()
        if (cap := getattr(params, name)) is not None
    ]
    return tuple(found)


def _below(cap: int, times: tuple[str, str]) -> Callable[[Basket], bool]:
    return lambda basket: basket.times.get(times, 0) < cap


def unmet(basket: Basket, asked: Iterable[Condition]) -> str | None:
    """Return the code of the first condition that this sale does not meet."""
    for code, is_met in asked:
        if not is_met(basket):
            return code
    return None


def _is_within(clock: time, start: time | None, end: time | None) -> bool:
    if start and end and start > end:  # over midnight
        return clock >= start or clock < end
    return (start is None or clock >= start) and (end is None or clock < end)


@lru_cache(maxsize=4096)
def exact(value: Decimal | int, per: int = 1) -> Fraction:
    """Return `value / per` as a fraction: the same few are asked for with every sale."""
    return Fraction(value) / per


def matches(line: Line, params: Params) -> bool:
    """Tell whether the rule applies to this line."""
    return not params.categories or line.category in params.categories
