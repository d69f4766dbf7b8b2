"""
The liability report of a program: the roll-forward of a period by days, and what it is worth at its end.

Points are as booked, day by day, in the merchant's zone. Money is by whole months: from the first day of the month
the period begins in to the end of the month it ends in, since estimates are made for months of issue. All of it is
computed when asked; four statements, whatever the size.
"""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from insights import forward, journal, liability, points
from insights.liability import Economics, Estimate, Position
from lib import db
from lib.errors import Fault, Malformed, NotFound
from loyalty.models import Program
from merchants.models import Merchant


class NoSuchProgram(NotFound):
    code = "no_program"


class BadPeriod(Malformed):
    code = "bad_period"


@dataclass(frozen=True, slots=True)
class Worth:
    """
    What the points outstanding at the end of a month are worth: by cost, and deferred by IFRS 15. `redeemed` has a
    row per month of issue and a column per age: points redeemed by then.
    """

    redeemed: liability.Floats
    estimate: Estimate
    cost_minor: int
    position: Position


@dataclass(frozen=True, slots=True)
class Report:
    """`used` are the points redeemed in the months of the period, `used_minor` at cost."""

    program: Program
    currency: str
    since: date
    until: date
    as_of: datetime
    forward: forward.Forward
    economics: Economics
    opening: Worth
    closing: Worth
    used: int
    used_minor: int
    by_cost: list[journal.Line]
    by_ifrs: list[journal.Line]


def programs_of(merchant: Merchant) -> list[Program]:
    """Return a merchant's programs, the default one first."""
    return list(Program.objects.filter(merchant=merchant).order_by("-is_active", "pk"))


def report(
    *,
    merchant: Merchant,
    at: datetime,
    since: date | None = None,
    until: date | None = None,
    program_id: int | None = None,
) -> Report:
    """
    Return the report of a period, both days included; by default of this month until today.

    :raises NoSuchProgram: the merchant has no such program
    :raises BadPeriod: it ends before it begins
    """
    today = at.astimezone(ZoneInfo(merchant.timezone)).date()
    until = until or today
    since = since or until.replace(day=1)
    if since > until:
        raise BadPeriod(
            "The period ends before it begins.", faults=[Fault("/query/until", "invalid", "is before `from`")]
        )
    program = next((one for one in programs_of(merchant) if program_id in (None, one.pk)), None)
    if program is None:
        raise NoSuchProgram("This merchant has no such program.")
    moved = forward.roll(points.movements(merchant=merchant, program_id=program.pk, since=since, until=until))
    economics = Economics(float(program.point_value_minor), float(program.point_cost_minor))
    return _worth(merchant, program, economics, moved, since=since, until=until, at=at)


def _worth(
    merchant: Merchant,
    program: Program,
    economics: Economics,
    moved: forward.Forward,
    *,
    since: date,
    until: date,
    at: datetime,
) -> Report:
    last = month_of(until)
    known = liability.triangle(points.cohorts(merchant=merchant, program_id=program.pk), until=last)
    deferred = liability.deferrals(known, revenue=_revenue(merchant), economics=economics)
    opening, closing = (
        Worth(
            cut.redeemed.cumsum(axis=1),
            estimated := liability.estimate(cut, prior=economics.prior),
            liability.cost(estimated, economics),
            liability.position(cut, deferred=deferred, economics=economics),
        )
        for cut in (known.at_end_of(month_of(since) - 1), known)
    )
    used = sum(month.redeemed for month in closing.estimate.months) - sum(
        month.redeemed for month in opening.estimate.months
    )
    used_minor = round(used * economics.cost_minor)
    return Report(
        program=program,
        currency=merchant.currency,
        since=since,
        until=until,
        as_of=at,
        forward=moved,
        economics=economics,
        opening=opening,
        closing=closing,
        used=used,
        used_minor=used_minor,
        by_cost=journal.provided(
            opening_minor=opening.cost_minor, closing_minor=closing.cost_minor, used_minor=used_minor
        ),
        by_ifrs=journal.deferred(opening.position, closing.position),
    )


def month_of(day: date) -> int:
    """Return the number of a day's month: year x 12 + month - 1."""
    return day.year * 12 + day.month - 1


def first_day(month: int) -> date:
    """Return the first day of a month by its number."""
    return date(month // 12, month % 12 + 1, 1)


def _revenue(merchant: Merchant) -> dict[int, int]:
    """Return what the merchant's customers paid for goods per month, in its own currency."""
    month = (
        "CAST(EXTRACT(YEAR FROM day) * 12 + EXTRACT(MONTH FROM day) - 1 AS integer)"
        if db.is_postgres()
        else "(substr(day, 1, 4) * 12 + substr(day, 6, 2) - 1)"
    )
    rows = db.ask(
        f"SELECT {month} AS month, SUM(net_revenue_minor) AS minor FROM loyalty_revenueday "
        "WHERE merchant_id = %s AND currency = %s GROUP BY 1",
        [merchant.pk, merchant.currency],
    ).rows
    return {int(number): int(minor) for number, minor in rows}
