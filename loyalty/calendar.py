"""Dates of a program: when points expire, when a year of status begins and ends. Pure, in local dates."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

# "For ever", where an empty date would mean "by the window".
FOREVER = datetime(9000, 1, 1, tzinfo=UTC)
ROUND_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


@dataclass(frozen=True, slots=True)
class Expiry:
    """When points run out. `day` is `MM-DD`; `round_to` is month, quarter, half_year or year."""

    mode: str = "never"
    months: int = 0
    round_to: str = ""
    day: str = ""

    def ends(self, activated: datetime, *, zone: ZoneInfo) -> datetime | None:
        """
        Return when points activated at `activated` expire: the first moment they are no longer usable.

        That is midnight at the end of their last local day; None when they never expire.
        """
        return None if self.mode == "never" else _ends(self, activated.astimezone(zone).date(), zone)


# Everything a shop sells on one day expires on one day.
@lru_cache(maxsize=4096)
def _ends(expiry: Expiry, day: date, zone: ZoneInfo) -> datetime | None:
    match expiry.mode:
        case "age" | "inactivity":
            last = add_months(day, expiry.months)
        case "age_rounded":
            last = end_of_period(add_months(day, expiry.months), ROUND_MONTHS[expiry.round_to])
        case "fixed_day":
            last = next_fixed_day(day, expiry.day)
        case _:
            return None
    return midnight(last + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the start of a local day."""
    return datetime.combine(day, time(), tzinfo=zone)


def add_months(day: date, months: int) -> date:
    """Return the same day `months` later; 31 January and one month is the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    month += 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def end_of_period(day: date, months: int) -> date:
    """Return the last day of the month, quarter (3), half-year (6) or year (12) that `day` is in."""
    last_month = (day.month - 1) // months * months + months
    return date(day.year, last_month, monthrange(day.year, last_month)[1])


def next_fixed_day(day: date, fixed: str) -> date:
    """Return the next `MM-DD` on or after `day`; 29 February is the 28th in other years."""
    for year in (day.year, day.year + 1):
        candidate = in_year(fixed, year)
        if candidate >= day:
            return candidate
    raise AssertionError("unreachable")


def in_year(month_day: str, year: int) -> date:
    """Return `MM-DD` in a year; 29 February is the 28th in other years."""
    month, day = int(month_day[:2]), int(month_day[3:])
    return date(year, month, min(day, monthrange(year, month)[1]))


def year_starts(day: date, *, first_month: int) -> date:
    return date(day.year if day.month >= first_month else day.year - 1, first_month, 1)


def next_year_starts(day: date, *, first_month: int) -> date:
    start = year_starts(day, first_month=first_month)
    return date(start.year + 1, first_month, 1)


def anniversary_before(day: date, *, joined: date) -> date:
    """Return the last anniversary of joining on or before `day`."""
    this_year = in_year(f"{joined:%m-%d}", day.year)
    return this_year if this_year <= day else in_year(f"{joined:%m-%d}", day.year - 1)


def anniversary_after(day: date, *, joined: date) -> date:
    """Return the first anniversary of joining after `day`."""
    before = anniversary_before(day, joined=joined)
    return in_year(f"{joined:%m-%d}", before.year + 1)
