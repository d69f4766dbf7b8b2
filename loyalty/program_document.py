"""
What may stand in a program file, and what is said when something else does.

The models are the reference of the file: docs/guides/program-file.md explains them to people.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lib import money
from loyalty import tier_perks

# What each pattern wants, for people.
ONE_LINE, SLUG, MONTH_DAY = (
    r"^[^\x00-\x1f\x7f]*$",
    r"^[-a-zA-Z0-9_]+$",
    r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
)
COUNTRY, LANGUAGE, COLOR = r"^[A-Z]{2}$", r"^[a-z]{2,3}(-[A-Za-z0-9]{2,6})?$", r"^#[0-9a-fA-F]{6}$"
PATTERNS = {
    ONE_LINE: "must be one line without control characters",
    SLUG: "must be of letters a to z, digits, - and _",
    MONTH_DAY: "must be a month and a day, like 12-31",
    COUNTRY: "must be a country in two capital letters, like PT",
    LANGUAGE: "must be a language, like en or pt-BR",
    COLOR: "must be a color, like #1f5f4a",
    "^[A-Z]{3}$": "must be a currency in three capital letters, like EUR",
}

Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=ONE_LINE),
]
Short = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=ONE_LINE)
]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=SLUG)]
MonthDay = Annotated[str, StringConstraints(pattern=MONTH_DAY)]
Points = Annotated[int, Field(ge=0, le=1_000_000_000)]
Minor = Annotated[int, Field(ge=0, le=10**15)]
Days = Annotated[int, Field(ge=0, le=3660)]


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _exact(digits: int, places: int) -> Any:
    return Field(max_digits=digits, decimal_places=places)


Amount = Annotated[Decimal, Field(ge=0), _exact(12, 4), PlainSerializer(_plain, return_type=str)]
Share = Annotated[Decimal, Field(ge=0, le=1), _exact(5, 4), PlainSerializer(_plain, return_type=str)]
Factor = Annotated[
    Decimal, Field(ge=Decimal("0.001"), le=100), _exact(6, 3), PlainSerializer(_plain, return_type=str)
]


def _currency(code: str) -> str:
    if not money.is_known(code):
        raise PydanticCustomError("currency", "not an ISO 4217 currency code in capitals, like EUR")
    return code


def _timezone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError("timezone", "not a time zone name, like Europe/Lisbon")
    return name


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class Merchant(Part):
    slug: Slug
    name: Text
    currency: Annotated[str, AfterValidator(_currency)]
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    country: Annotated[str, StringConstraints(pattern=COUNTRY)]
    language: Annotated[str, StringConstraints(pattern=LANGUAGE)] = "en"
    color: Annotated[str, StringConstraints(pattern=COLOR, to_lower=True)] = "#1f5f4a"
    test: bool = False


class EarnsOn(Part):
    tax: Literal["included", "excluded"] = "included"


NEEDS = {
    "never": set[str](),
    "age": {"months"},
    "age_rounded": {"months", "round_to"},
    "fixed_day": {"day"},
    "inactivity": {"months"},
}


class Expiry(Part):
    mode: Literal["never", "age", "age_rounded", "fixed_day", "inactivity"] = "never"
    months: Annotated[int, Field(ge=1, le=120)] | None = None
    round_to: Literal["month", "quarter", "half_year", "year"] | None = None
    day: MonthDay | None = None
    reinstate_days: Days = 90
    extend_days: Days = 30
    extend_without_contact: bool = False

    @model_validator(mode="after")
    def _says_what_its_mode_needs(self) -> Self:
        said = {name for name in ("months", "round_to", "day") if getattr(self, name) is not None}
        for name in sorted(NEEDS[self.mode] - said):
            raise PydanticCustomError("missing", f"mode {self.mode} needs {name!r}: add it")
        for name in sorted(said - NEEDS[self.mode]):
            raise PydanticCustomError("surplus", f"{name!r} says nothing with mode {self.mode}: remove it")
        return self


class Refunds(Part):
    policy: Literal["negative", "clamp", "review"] = "negative"
    min_days_left: Days = 30
    return_days: Days = 14


class Economics(Part):
    point_value_minor: Amount = Decimal(1)
    point_cost_minor: Amount = Decimal(1)
    gross_margin: Share = Decimal("0.4")
    annual_discount: Share = Decimal("0.1")


class Window(Part):
    mode: Literal["lifetime", "calendar_year", "rolling_days", "membership_year"] = "lifetime"
    days: Annotated[int, Field(ge=1, le=3660)] | None = None
    first_month: Annotated[int, Field(ge=1, le=12)] | None = None

    @model_validator(mode="after")
    def _says_what_its_mode_needs(self) -> Self:
        if self.mode == "rolling_days" and self.days is None:
            raise PydanticCustomError("missing", "mode rolling_days needs 'days': add it, like days: 365")
        if self.mode != "rolling_days" and self.days is not None:
            raise PydanticCustomError("surplus", f"'days' says nothing with mode {self.mode}: remove it")
        if self.mode != "calendar_year" and self.first_month is not None:
            raise PydanticCustomError(
                "surplus", f"'first_month' says nothing with mode {self.mode}: remove it"
            )
        if self.mode == "calendar_year" and self.first_month is None:
            self.first_month = 1
        return self


class Downgrade(Part):
    steps: Annotated[int, Field(ge=1, le=100)] = 1
    grace_days: Days = 30


class PerkLimit(Part):
    times: Annotated[int, Field(ge=1, le=1_000_000)]
    per: Literal["day", "week", "month", "year", "membership_year", "lifetime"]


class Benefit(Part):
    kind: Literal["benefit"]
    name: Text
    id: Slug | None = None
    limit: PerkLimit | None = None


class EntryPoints(Part):
    kind: Literal["entry_points"]
    points: Annotated[int, Field(ge=1, le=1_000_000_000)]
    name: Text = "Welcome"
    id: Slug | None = None
    pending_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    again: Literal["each_time"] | None = None


class EntryReward(Part):
    """A reward without its cost. Whether there is such a reward, the rewards of the program know."""

    kind: Literal["entry_reward"]
    reward: Slug
    name: Text = "Welcome"
    id: Slug | None = None
    again: Literal["each_time"] | None = None


Perk = Annotated[Benefit | EntryPoints | EntryReward, Field(discriminator="kind")]


class Level(Part):
    name: Short
    at: Minor
    multiplier: Factor = Decimal(1)
    perks: list[Perk] = []


class Tiers(Part):
    metric: Literal["spend", "points_earned", "purchases", "visits"] = "spend"
    window: Window = Window()
    downgrade: Downgrade = Downgrade()
    levels: Annotated[list[Level], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _has_levels_apart(self) -> Self:
        for name in ("name", "at"):
            values = [getattr(level, name) for level in self.levels]
            twice = next((value for value in values if values.count(value) > 1), None)
            if twice is not None:
                raise PydanticCustomError("twice", f"two levels have the {name} {twice!r}: change one")
        for level in self.levels:
            if (same := tier_perks.twice([perk.model_dump() for perk in level.perks])) is not None:
                raise PydanticCustomError(
                    "twice", f"two perks of {level.name} have the id {same!r}: give one another `id`"
                )
        self.levels.sort(key=lambda level: level.at)
        return self


class EarningRule(BaseModel):
    """The part that every rule has; the rest is its plugin's (`loyalty.earning`)."""

    model_config = ConfigDict(extra="allow")

    id: Slug
    kind: Annotated[str, StringConstraints(min_length=1, max_length=30)]


class Referral(Part):
    referrer_points: Points
    friend_points: Points = 0
    min_amount_minor: Minor = 0
    cap_per_month: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    cap_per_year: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class Transfers(Part):
    """
    Points given by one customer to another; `max_per_month` is how many somebody may send in a month.

    `household` lets members of a household share points in a pool, `take_out` lets them take some out again.
    """

    allowed: bool = False
    household: bool = False
    take_out: bool = False
    max_per_month: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class Program(Part):
    name: Text
    points_name: Annotated[Short, StringConstraints(max_length=40)] = "points"
    rounding: Literal["floor", "half_up", "ceil"] = "floor"
    earns_on: EarnsOn = EarnsOn()
    expiry: Expiry = Expiry()
    refunds: Refunds = Refunds()
    economics: Economics = Economics()
    tiers: Tiers | None = None
    earning: Annotated[list[EarningRule], Field(max_length=500)] = []
    referral: Referral | None = None
    transfers: Transfers | None = None
    connections: Any = None  # read by their own rooms: see loyalty/program_sections.py
    webhooks: Any = None
    rewards: Any = None
    segments: Any = None
    flows: Any = None
    journey: Any = None
    surveys: Any = None


class ProgramFile(Part):
    merchant: Merchant
    program: Program
