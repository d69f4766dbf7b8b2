"""
A program as arithmetic: the document of one published version, read once and kept ready.

Pure: no database, no clock. `loyalty.programs` finds the plan that was in force at a time.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal
from zoneinfo import ZoneInfo

from loyalty import calendar
from loyalty.earning import RULES, Params, Rule
from loyalty.earning.base import CAPS, Condition, conditions

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlanRule:
    code: str
    plugin: Rule
    params: Params
    qualifies: bool
    conditions: tuple[Condition, ...]
    caps: tuple[str, ...]

    @staticmethod
    def read(document: Document) -> "PlanRule":
        """Return the rule of a published document, with what every sale would compute again made ready."""
        plugin = RULES[document["kind"]]
        params = plugin.Params.model_validate(document["params"])
        return PlanRule(
            code=document["code"],
            plugin=plugin,
            params=params,
            qualifies=plugin.qualifies if params.qualifies is None else params.qualifies,
            conditions=conditions(params, document["code"]),
            caps=tuple(period for name, period in CAPS.items() if getattr(params, name) is not None),
        )


@dataclass(frozen=True, slots=True)
class Level:
    name: str
    at: int
    multiplier: Fraction
    perks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Tiers:
    """The live levels, lowest first, and how they are reached."""

    metric: Literal["spend", "points_earned", "purchases", "visits"] = "spend"
    window: Literal["lifetime", "calendar_year", "rolling_days", "membership_year"] = "lifetime"
    days: int = 0
    first_month: int = 1
    steps: int = 1
    grace_days: int = 30
    levels: tuple[Level, ...] = ()

    def level(self, name: str) -> Level | None:
        for level in self.levels:
            if level.name == name:
                return level
        return None

    def rank(self, name: str) -> int:
        """Return the place of a level, 0 for the lowest; -1 for a name that is not there."""
        for place, level in enumerate(self.levels):
            if level.name == name:
                return place
        return -1

    def reached(self, figure: int) -> Level | None:
        """Return the highest level that `figure`, in the metric's unit, reaches."""
        for level in reversed(self.levels):
            if level.at <= figure:
                return level
        return None

    def window_starts(self, day: date, *, joined: date) -> date:
        """Return the first day that counts on `day`."""
        match self.window:
            case "rolling_days":
                return day - timedelta(days=self.days - 1)
            case "calendar_year":
                return calendar.year_starts(day, first_month=self.first_month)
            case "membership_year":
                return calendar.anniversary_before(day, joined=joined)
        return date.min

    def status_ends(self, day: date, *, joined: date) -> date | None:
        """Return the last day of a status reached on `day`; None when it lasts for ever."""
        match self.window:
            case "rolling_days":
                return day + timedelta(days=self.days)
            case "calendar_year":
                next_year = calendar.next_year_starts(day, first_month=self.first_month)
                return calendar.next_year_starts(next_year, first_month=self.first_month) - timedelta(days=1)
            case "membership_year":
                following = calendar.anniversary_after(day, joined=joined)
                return calendar.anniversary_after(following, joined=joined) - timedelta(days=1)
        return None


@dataclass(frozen=True, slots=True)
class Referral:
    """What bringing a friend pays. Caps are referrals that pay the referrer, per local month and year."""

    referrer_points: int
    friend_points: int = 0
    min_amount_minor: int = 0
    cap_per_month: int | None = None
    cap_per_year: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the purchase path asks of a program."""

    program_id: int
    version: int
    starts_at: datetime
    name: str
    points_name: str
    zone: ZoneInfo
    currency: str
    rounding: str
    tax_excluded: bool
    expiry: calendar.Expiry
    refund_policy: str
    refund_min_days_left: int
    refund_return_days: int
    reinstate_days: int
    extend_days: int
    extend_without_contact: bool
    point_value_minor: Decimal
    tiers: Tiers
    rules: tuple[PlanRule, ...]
    referral: Referral | None = None
    capped: tuple[PlanRule, ...] = field(default=())
    names_segments: bool = False

    def events(self, kind: str) -> list[PlanRule]:
        """Return the rules of one `event` kind: welcome, birthday, touchpoint."""
        return [rule for rule in self.rules if rule.plugin.kind == kind]

    def local(self, at: datetime) -> datetime:
        return at.astimezone(self.zone)

    def window_starts(self, day: date, *, joined_at: datetime) -> date:
        """Return the first day whose sums count for the tier on `day`."""
        by_anniversary = self.tiers.window == "membership_year"
        return self.tiers.window_starts(day, joined=self.local(joined_at).date() if by_anniversary else day)


def read_tiers(document: Document | None) -> Tiers:
    """Return the levels that a document describes; none without one."""
    if not document:
        return Tiers()
    return Tiers(
        **{key: document[key] for key in ("metric", "window", "days", "first_month", "steps", "grace_days")},
        levels=tuple(
            Level(level["name"], level["at"], Fraction(level["multiplier"]), level["perks"])
            for level in sorted(document["levels"], key=lambda level: level["at"])
        ),
    )


def with_tiers(plan: Plan, tiers: Tiers) -> Plan:
    """Return the plan with other tiers: a draft, tried out."""
    return replace(plan, tiers=tiers)


def read(
    document: Document, *, program_id: int, version: int, starts_at: datetime, timezone: str, currency: str
) -> Plan:
    """Return the plan that a published document describes."""
    program, tiers = document["program"], document["tiers"]
    rules = tuple(PlanRule.read(rule) for rule in document["rules"])
    return Plan(
        program_id=program_id,
        version=version,
        starts_at=starts_at,
        name=program["name"],
        points_name=program["points_name"],
        zone=ZoneInfo(timezone),
        currency=currency,
        rounding=program["rounding"],
        tax_excluded=program["tax"] == "excluded",
        expiry=calendar.Expiry(**program["expiry"]),
        refund_policy=program["refund_policy"],
        refund_min_days_left=program["refund_min_days_left"],
        refund_return_days=program["refund_return_days"],
        reinstate_days=program["reinstate_days"],
        # Versions that were published before there was such a setting follow its default.
        extend_days=program.get("extend_days", 30),
        extend_without_contact=program.get("extend_without_contact", False),
        point_value_minor=Decimal(program["point_value_minor"]),
        tiers=read_tiers(tiers),
        rules=rules,
        referral=Referral(**said) if (said := document.get("referral")) else None,
        capped=tuple(rule for rule in rules if rule.caps),
        names_segments=any(rule.params.segments for rule in rules),
    )
