"""
The points of a merchant over time: sums of the entries by day and by month of issue, kept and read.

Entries are append-only and their ids grow with time, so the sums are added to: `roll_up` reads the entries beyond
the last one it has read, under a lock on `PointsReading` and in the transaction that moves it on, so each entry is in
the sums once. It leaves the last minutes out, where a command that began earlier may still commit. A reading is
the sums and whatever came since, in one statement: it is always of now, however long ago the roll-up was.
`differences` compares that with the accounts, for `verify_ledger`; `rebuild` begins anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from insights.models import PointsCohort, PointsDay, PointsReading
from lib import db
from loyalty import ledger
from merchants.models import Merchant

# Longer than any command may take: what it writes has ids from when it began.
LAGS = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Movement:
    """The entries of one kind on one day; `day` is None for all days before those that were asked for."""

    day: date | None
    kind: str
    points: int
    pending: int
    entries: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """What became of the points of one month at one age, in months. `month` is year x 12 + month - 1."""

    month: int
    age: int
    issued: int
    redeemed: int
    expired: int


@db.command
def roll_up(*, merchant: Merchant, at: datetime) -> int:
    """Add the entries that came since the last time to the sums. Return 1 when there were some, else 0."""
    db.insert(PointsReading, [{"merchant_id": merchant.pk, "last_id": 0}], on_conflict="DO NOTHING")
    [(last,)] = db.ask(
        f"SELECT r.last_id FROM insights_pointsreading r WHERE r.merchant_id = %s {db.for_update('r')}",
        [merchant.pk],
    ).rows
    until = ledger.last_entry(merchant_id=merchant.pk, before=at - LAGS)
    reading = PointsReading.objects.filter(merchant=merchant)
    if until is None or until <= last:
        reading.update(read_at=at)
        return 0
    movements, params = ledger.by_day(merchant=merchant, after=("%s", [last]), until=until)
    _add(
        PointsDay,
        ("program_id", "day", "kind"),
        ("points", "pending", "entries"),
        movements,
        merchant,
        params,
    )
    cohorts, params = ledger.by_cohort(merchant=merchant, after=("%s", [last]), until=until)
    _add(
        PointsCohort,
        ("program_id", "month", "age"),
        ("issued", "redeemed", "expired"),
        cohorts,
        merchant,
        params,
    )
    reading.update(last_id=until, read_at=at)
    return 1


def _add(
    table: type[PointsDay | PointsCohort],
    key: tuple[str, ...],
    sums: tuple[str, ...],
    source: str,
    merchant: Merchant,
    params: list[object],
) -> None:
    name = table._meta.db_table
    names = ", ".join((*key, *sums))
    db.ask(
        f"INSERT INTO {name} (merchant_id, {names}) "
        f"SELECT CAST(%s AS bigint), {names} FROM ({source}) came WHERE program_id > 0 "
        f"ON CONFLICT (merchant_id, {', '.join(key)}) DO UPDATE SET "
        + ", ".join(f"{one} = {name}.{one} + excluded.{one}" for one in sums),
        [merchant.pk, *params],
    )


def roll_up_all(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Add what came to the sums of every merchant, or of one; return how many had some."""
    owners = [merchant] if merchant else Merchant.objects.filter(is_active=True)
    return sum(roll_up(merchant=owner, at=at) for owner in owners)


@db.command
def forget(*, merchant: Merchant) -> None:
    """Empty a merchant's sums. Readings stay right: they then add up all entries."""
    for table in (PointsDay, PointsCohort, PointsReading):
        table.objects.filter(merchant_id=merchant.pk).delete()


def rebuild(*, merchant: Merchant, at: datetime) -> None:
    """Make a merchant's sums anew from the entries."""
    forget(merchant=merchant)
    roll_up(merchant=merchant, at=at)


def movements(*, merchant: Merchant, program_id: int, since: date, until: date) -> list[Movement]:
    """Return the sums of each day from `since` to `until`, both included, and all before as one."""
    came, params = ledger.by_day(merchant=merchant, after=_last(merchant))
    rows = db.ask(
        f"""
        SELECT CASE WHEN day < %s THEN NULL ELSE day END, kind, SUM(points), SUM(pending), SUM(entries) FROM (
            SELECT program_id, day, kind, points, pending, entries FROM insights_pointsday WHERE merchant_id = %s
            UNION ALL SELECT program_id, day, kind, points, pending, entries FROM ({came}) came
        ) known WHERE program_id = %s AND day <= %s GROUP BY 1, 2 ORDER BY 1, 2
        """,
        [since, merchant.pk, *params, program_id, until],
    ).rows
    return [
        Movement(None if day is None else db.day(day), kind, *(int(one) for one in sums))
        for day, kind, *sums in rows
    ]


def cohorts(*, merchant: Merchant, program_id: int) -> list[Cohort]:
    """Return what became of the points of each month, by age."""
    came, params = ledger.by_cohort(merchant=merchant, after=_last(merchant))
    names = "program_id, month, age, issued, redeemed, expired"
    rows = db.ask(
        f"""
        SELECT month, age, SUM(issued), SUM(redeemed), SUM(expired) FROM (
            SELECT {names} FROM insights_pointscohort WHERE merchant_id = %s
            UNION ALL SELECT {names} FROM ({came}) came
        ) known WHERE program_id = %s GROUP BY month, age ORDER BY month, age
        """,
        [merchant.pk, *params, program_id],
    ).rows
    return [Cohort(*(int(one) for one in row)) for row in rows]


def _last(merchant: Merchant) -> tuple[str, list[object]]:
    """Return the SQL of the last id in the sums: read in the statement that reads them, so that they fit."""
    sql = "(SELECT COALESCE(MAX(last_id), 0) FROM insights_pointsreading WHERE merchant_id = %s)"
    return sql, [merchant.pk]


def differences(*, merchant_id: int | None = None) -> Iterator[str]:
    """Yield a sentence for each program whose sums by day are not what its accounts say; none is good."""
    owners = Merchant.objects.order_by("pk")
    for merchant in owners if merchant_id is None else owners.filter(pk=merchant_id):
        came, params = ledger.by_day(merchant=merchant, after=_last(merchant))
        rows = db.ask(
            f"""
            SELECT program_id, SUM(points), SUM(pending) FROM (
                SELECT program_id, points, pending FROM insights_pointsday WHERE merchant_id = %s
                UNION ALL SELECT program_id, points, pending FROM ({came}) came
                UNION ALL SELECT program_id, -points, -pending FROM ({ledger.outstanding_sql()}) held
            ) known GROUP BY program_id HAVING SUM(points) <> 0 OR SUM(pending) <> 0 ORDER BY program_id
            """,
            [merchant.pk, *params, merchant.pk],
        ).rows
        for program_id, points, pending in rows:
            yield (
                f"points by day of program {program_id} of merchant {merchant.pk}: "
                f"they differ from the accounts by {points} points and {pending} pending ones"
            )
