"""
Negative churn of a merchant, counted in the database: `retention.Parts` of a window, in all and by group.

What comes back is one row per group. One window is one statement over `loyalty.RevenueDay`; for all windows and
dimensions (`gathered`) the table is read once, into a temporary one with a row per customer.
`insights.retention.split` says the same in memory, and a test holds one against the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from insights.models import CohortMonth, RetentionSnapshot
from insights.retention import Parts
from lib import db
from loyalty.models import Program
from merchants.models import Merchant

WINDOWS = (365, 91)

# What a customer belongs to: SQL that names it, and what must be joined to `f`, the customers' sums.
_KEYS = {
    "total": ("''", ""),
    "cohort": ("SUBSTR(CAST(f.first_day AS varchar(10)), 1, 4)", ""),
    "tier": (
        "COALESCE(m.tier, '')",
        "LEFT JOIN loyalty_membership m ON m.merchant_id = %(merchant)s AND m.program_id = %(program)s "
        "AND m.customer_id = f.customer_id",
    ),
    "segment": (
        "s.code",
        "JOIN customers_segmentmember sm ON sm.merchant_id = %(merchant)s AND sm.customer_id = f.customer_id "
        "JOIN customers_segment s ON s.id = sm.segment_id AND s.merchant_id = sm.merchant_id AND s.is_active",
    ),
    "channel": ("COALESCE(p.channel, '')", "LEFT JOIN origins p ON p.customer_id = f.customer_id"),
    "store": (
        "COALESCE(o.code, '')",
        "LEFT JOIN origins p ON p.customer_id = f.customer_id LEFT JOIN merchants_store o ON o.id = p.store_id",
    ),
}
_ORIGINS = """
    SELECT customer_id, channel, store_id FROM (
        SELECT COALESCE(c.merged_into_id, c.id) AS customer_id, p.channel, p.store_id, ROW_NUMBER() OVER (
               PARTITION BY COALESCE(c.merged_into_id, c.id) ORDER BY p.occurred_at, p.id) AS place
        FROM loyalty_purchase p JOIN customers_customer c ON c.id = p.customer_id AND c.merchant_id = p.merchant_id
        WHERE p.merchant_id = %(merchant)s AND p.status = 'recorded') AS ordered
    WHERE place = 1"""
_FACTS = """
    SELECT customer_id,
           SUM(CASE WHEN day >= %(before)s AND day < %(start)s THEN net_revenue_minor ELSE 0 END) AS was,
           SUM(CASE WHEN day >= %(start)s THEN net_revenue_minor ELSE 0 END) AS is_now,
           MIN(CASE WHEN net_revenue_minor > 0 THEN day END) AS first_day,
           MAX(CASE WHEN net_revenue_minor > 0 THEN day END) AS last_day
    FROM loyalty_revenueday
    WHERE merchant_id = %(merchant)s AND currency = %(currency)s AND day < %(end)s
    GROUP BY customer_id"""
DIMENSIONS = tuple(_KEYS)


def count(
    *,
    merchant: Merchant,
    ends_on: date,
    length: int,
    lapse_days: int,
    dimension: str = "total",
    is_gathered: bool = False,
) -> dict[str, Parts]:
    """
    Return the parts of the window of so many days before `ends_on` (exclusive) against the one before it, by
    group. Groups of segments overlap; those of all other dimensions add up to the total.
    """
    key, join = _KEYS[dimension]
    said = _said(merchant, ends_on, length)
    said["silent"] = ends_on - timedelta(days=lapse_days)
    if dimension == "tier":
        program = (
            Program.objects.filter(merchant=merchant, is_active=True).values_list("pk", flat=True).first()
        )
        said["program"] = program or 0
    facts = (
        f"SELECT customer_id, was_{length} AS was, now_{length} AS is_now, first_day, last_day FROM gathered_days"
        if is_gathered
        else _FACTS
    )
    origins = "SELECT customer_id, channel, store_id FROM gathered_origins" if is_gathered else _ORIGINS
    sql = f"""
        WITH facts AS ({facts}), f AS (
            SELECT customer_id, was, is_now, first_day, is_now - was AS change, was > 0 AS is_base,
                   COALESCE(first_day >= %(start)s, 1 = 1) AS is_new, last_day < %(silent)s AS is_silent
            FROM facts
        ){f", origins AS ({origins})" if "origins" in join else ""}
        SELECT {key} AS named, {_SUMS} FROM f {join} GROUP BY named ORDER BY named
    """
    rows = db.ask(*_in_order(sql, said)).rows
    return {str(row[0] or ""): Parts(*(int(value) for value in row[1:])) for row in rows}


def _said(merchant: Merchant, ends_on: date, length: int) -> dict[str, object]:
    return {
        "merchant": merchant.pk,
        "currency": merchant.currency,
        "start": ends_on - timedelta(days=length),
        "before": ends_on - timedelta(days=2 * length),
        "end": ends_on,
    }


@contextmanager
def gathered(*, merchant: Merchant, ends_on: date) -> Iterator[None]:
    """Within the block (one transaction) both windows that end there are counted from one row per customer."""
    names = [f"{what}_{length}" for length in WINDOWS for what in ("was", "now")]
    sums = ", ".join(f"{name} bigint" for name in names)
    db.ask(
        f"CREATE TEMPORARY TABLE gathered_days (customer_id bigint, {sums}, first_day date, last_day date)"
    )
    db.ask(
        "CREATE TEMPORARY TABLE gathered_origins (customer_id bigint, channel varchar(20), store_id bigint)"
    )
    parts = []
    said = {"merchant": merchant.pk, "currency": merchant.currency, "end": ends_on}
    for length in WINDOWS:
        said |= {f"{name}_{length}": day for name, day in _said(merchant, ends_on, length).items()}
        parts += [
            f"SUM(CASE WHEN day >= %(before_{length})s AND day < %(start_{length})s THEN net_revenue_minor ELSE 0 END)",
            f"SUM(CASE WHEN day >= %(start_{length})s THEN net_revenue_minor ELSE 0 END)",
        ]
    db.ask(
        *_in_order(
            f"""
            INSERT INTO gathered_days
            SELECT customer_id, {", ".join(parts)}, MIN(CASE WHEN net_revenue_minor > 0 THEN day END),
                   MAX(CASE WHEN net_revenue_minor > 0 THEN day END)
            FROM loyalty_revenueday
            WHERE merchant_id = %(merchant)s AND currency = %(currency)s AND day < %(end)s GROUP BY customer_id
            """,
            said,
        )
    )
    db.ask(*_in_order(f"INSERT INTO gathered_origins {_ORIGINS}", said))
    yield
    db.ask("DROP TABLE gathered_days")
    db.ask("DROP TABLE gathered_origins")


def _sum(what: str, where: str) -> str:
    return f"CAST(COALESCE(SUM(CASE WHEN {where} THEN {what} END), 0) AS bigint)"


_SUMS = ", ".join(
    (
        _sum("f.was", "f.is_base"),
        _sum("f.change", "f.is_base AND f.is_now > 0 AND f.change > 0"),
        _sum("-f.change", "f.is_base AND f.is_now > 0 AND f.change < 0"),
        _sum("-f.change", "f.is_base AND f.is_now <= 0 AND f.is_silent"),
        _sum("-f.change", "f.is_base AND f.is_now <= 0 AND NOT f.is_silent"),
        _sum("f.is_now", "NOT f.is_base AND NOT f.is_new"),
        _sum("f.is_now", "NOT f.is_base AND f.is_new"),
        _sum("f.is_now", "1 = 1"),
        _sum("1", "f.is_base"),
        _sum("1", "f.is_base AND f.is_now > 0"),
        _sum("1", "f.is_base AND f.is_now <= 0 AND f.is_silent"),
        _sum("1", "f.is_base AND f.is_now <= 0 AND NOT f.is_silent"),
    )
)


def _in_order(sql: str, said: dict[str, object]) -> tuple[str, list[object]]:
    """Return the statement with `%s` for each name, and the values in the order of their places."""
    values: list[object] = []

    class Places(dict[str, object]):
        def __missing__(self, name: str) -> str:
            values.append(said[name])
            return "%s"

    return sql % Places(), values


def cohorts(*, merchant: Merchant, until: date) -> None:
    """Count anew what the customers of each month of first purchase did in the months after: one statement."""
    db.ask("DELETE FROM insights_cohortmonth WHERE merchant_id = %s", [merchant.pk])
    month = "date_trunc('month', {})::date" if db.is_postgres() else "date({}, 'start of month')"
    apart = (
        "CAST((EXTRACT(YEAR FROM b.day) - EXTRACT(YEAR FROM f.first_day)) * 12 + EXTRACT(MONTH FROM b.day) "
        "- EXTRACT(MONTH FROM f.first_day) AS smallint)"
        if db.is_postgres()
        else "(strftime('%%Y', b.day) - strftime('%%Y', f.first_day)) * 12 + strftime('%%m', b.day) "
        "- strftime('%%m', f.first_day)"
    )
    db.ask(
        f"""
        INSERT INTO insights_cohortmonth (merchant_id, joined, after, customers, revenue_minor)
        WITH b AS (
            SELECT customer_id, day, net_revenue_minor FROM loyalty_revenueday
            WHERE merchant_id = %s AND currency = %s AND day <= %s
        ), f AS (
            SELECT customer_id, MIN(day) AS first_day FROM b WHERE net_revenue_minor > 0 GROUP BY customer_id
        ), each AS (
            SELECT f.customer_id, {month.format("f.first_day")} AS joined, {apart} AS after,
                   SUM(b.net_revenue_minor) AS revenue, MAX(b.net_revenue_minor) AS most
            FROM f JOIN b ON b.customer_id = f.customer_id AND b.day >= f.first_day
            GROUP BY f.customer_id, joined, after
        )
        SELECT CAST(%s AS bigint), joined, after, COUNT(CASE WHEN most > 0 THEN 1 END), SUM(revenue)
        FROM each WHERE after < 36 GROUP BY joined, after
        """,
        [merchant.pk, merchant.currency, until, merchant.pk],
    )


def begins(*, merchant: Merchant) -> date | None:
    """Return the first day of the month of the first purchase that the reports know."""
    known = CohortMonth.objects.filter(merchant_id=merchant.pk).order_by("joined")
    return known.values_list("joined", flat=True).first()


def stored(*, merchant: Merchant, dimension: str, length: int) -> list[RetentionSnapshot]:
    """Return the latest snapshot of a dimension, the largest groups first."""
    rows = RetentionSnapshot.objects.filter(merchant=merchant, days=length, dimension=dimension)
    latest = rows.order_by("-ends_on").values_list("ends_on", flat=True).first()
    return sorted(rows.filter(ends_on=latest), key=lambda row: -row.start) if latest else []


def trend(*, merchant: Merchant, length: int) -> list[RetentionSnapshot]:
    """Return the snapshots of all customers, the oldest first."""
    rows = RetentionSnapshot.objects.filter(merchant=merchant, days=length, dimension="total")
    return list(rows.order_by("-ends_on")[:24])[::-1]


def curve(*, merchant: Merchant) -> list[CohortMonth]:
    return list(CohortMonth.objects.filter(merchant_id=merchant.pk).order_by("joined", "after"))
