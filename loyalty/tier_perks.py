"""
What the levels of a program promise, read from their documents. Pure: no database, no clock.

A benefit is there for as long as the customer has the level; what is given on entry is given once. Who has a
level has the benefits of those below it too: a perk with the same id there is the same perk, and the highest
level says how much of it there is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import slugify

from loyalty import calendar
from loyalty.plan import Level, Tiers

BENEFIT, POINTS, REWARD = "benefit", "entry_points", "entry_reward"
ON_ENTRY = (POINTS, REWARD)
EACH_TIME = "each_time"
PERIODS = ("day", "week", "month", "year", "membership_year", "lifetime")
MOST_LETTERS = 60
UNNAMED = "Welcome"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many times in each period of the shop's calendar."""

    times: int
    per: str


@dataclass(frozen=True, slots=True)
class Perk:
    """One perk of a level. `points` and `pending_days` are of entry points, `reward` is an entry reward's code."""

    id: str
    kind: str
    name: str
    tier: str
    limit: Limit | None = None
    points: int = 0
    pending_days: int = 0
    reward: str = ""
    is_each_time: bool = False

    @property
    def is_on_entry(self) -> bool:
        return self.kind in ON_ENTRY


def of_level(level: Level) -> list[Perk]:
    """
    Return a level's perks. One without an id has one made of its name; of what is given on entry, of the
    level's name too, because two levels may both say "Welcome".
    """
    taken = {str(told["id"]) for told in level.perks if told.get("id")}
    perks = []
    for told in level.perks:
        number = str(told.get("id") or _made(told, tier=level.name, taken=taken))
        taken.add(number)
        perks.append(_read(number, told, tier=level.name))
    return perks


def _read(number: str, told: dict[str, Any], *, tier: str) -> Perk:
    limit = told.get("limit")
    return Perk(
        id=number,
        kind=told["kind"],
        name=told.get("name") or UNNAMED,
        tier=tier,
        limit=Limit(limit["times"], limit["per"]) if limit else None,
        points=told.get("points", 0),
        pending_days=told.get("pending_days", 0),
        reward=told.get("reward", ""),
        is_each_time=told.get("again") == EACH_TIME,
    )


def _made(told: dict[str, Any], *, tier: str, taken: set[str]) -> str:
    name = str(told.get("name") or UNNAMED)
    said = name if told["kind"] == BENEFIT else f"{tier} {name}"
    plain = slugify(said)[: MOST_LETTERS - 4].strip("-_")
    made = plain or f"perk-{sha256(said.encode()).hexdigest()[:12]}"
    return next(one for one in (made, *(f"{made}-{n}" for n in range(2, 1000))) if one not in taken)


def twice(perks: Sequence[dict[str, Any]]) -> str | None:
    """Return an id that was given to two perks of one level."""
    ids = [str(told["id"]) for told in perks if told.get("id")]
    return next((number for number in ids if ids.count(number) > 1), None)


def held(tiers: Tiers, tier: str) -> list[Perk]:
    """Return the perks of somebody in this tier, its own before those of the levels below; each id once."""
    found: dict[str, Perk] = {}
    for level in reversed(tiers.levels[: tiers.rank(tier) + 1]):
        for perk in of_level(level):
            found.setdefault(perk.id, perk)
    return list(found.values())


def entered(tiers: Tiers, *, before: str, now: str) -> list[Perk]:
    """
    Return what is given for rising from one tier to another, that of the levels in between too: who takes
    two steps at once gets no less than who takes one after the other.
    """
    passed = tiers.levels[tiers.rank(before) + 1 : tiers.rank(now) + 1]
    found: dict[str, Perk] = {}
    for perk in (perk for level in passed for perk in of_level(level) if perk.is_on_entry):
        found.setdefault(perk.id, perk)
    return list(found.values())


def gives_on_entry(tiers: Tiers) -> bool:
    """Tell whether any level gives something to who reaches it."""
    return any(told["kind"] in ON_ENTRY for level in tiers.levels for told in level.perks)


def find(tiers: Tiers, number: str) -> Perk | None:
    """Return the perk of this id, of any level."""
    return next((perk for level in tiers.levels for perk in of_level(level) if perk.id == number), None)


def period(
    per: str, at: datetime, *, zone: ZoneInfo, joined_at: datetime
) -> tuple[datetime, datetime] | None:
    """
    Return the period that holds `at`, its end exclusive; None for a lifetime.

    It begins and ends at midnight in the shop's zone, so a day in which the clocks change has 23 or 25 hours.
    """
    day = at.astimezone(zone).date()
    days = _days(per, day, joined=joined_at.astimezone(zone).date())
    if days is None:
        return None
    return calendar.midnight(days[0], zone), calendar.midnight(days[1], zone)


def _days(per: str, day: date, *, joined: date) -> tuple[date, date] | None:
    match per:
        case "day":
            return day, day + timedelta(days=1)
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            first = day.replace(day=1)
            return first, calendar.add_months(first, 1)
        case "year":
            return date(day.year, 1, 1), date(day.year + 1, 1, 1)
        case "membership_year":
            return (
                calendar.anniversary_before(day, joined=joined),
                calendar.anniversary_after(day, joined=joined),
            )
    return None
