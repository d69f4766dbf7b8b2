"""
Purchase days of a merchant, read from `loyalty.RevenueDay` for the formulas: one entry per customer, as columns.

A purchase day is a day with positive revenue in the merchant's own currency. Other currencies are left out of
forecasts and retention, and counted, so that a report can say so.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from insights import retention
from lib import columns, db
from merchants.models import Merchant

EPOCH = date(1970, 1, 1)
_SHIFT = 1 << 40  # more minor units than anybody spends on one day

Ints = NDArray[np.int64]


def number(day: date) -> int:
    return (day - EPOCH).days


@dataclass(frozen=True, slots=True)
class Buyers:
    """
    Everybody who bought until a day, one entry each: days are counted from 1970, money is in minor units.

    `since` is the first purchase day within the lapse window and `before` the last one before it (0: none).
    `later_days` and `later_spent` are what came after the day, for a backtest.
    """

    until: int
    customers: Ints
    days: Ints
    first: Ints
    last: Ints
    spent: Ints
    on_first: Ints
    net: Ints
    since: Ints
    before: Ints
    later_days: Ints
    later_spent: Ints

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """What `insights.clv` asks for: x, t_x, T and m."""
        x = (self.days - 1).astype(np.float64)
        m = np.divide(self.spent - self.on_first, x, out=np.zeros(len(x)), where=x > 0)
        return {
            "x": x,
            "t_x": (self.last - self.first).astype(np.float64),
            "T": (self.until - self.first).astype(np.float64),
            "m": m,
        }


_NAMES = (
    "customers", "days", "first", "last", "spent", "on_first", "net", "since", "before", "later_days", "later_spent",
)  # fmt: skip


def buyers(*, merchant: Merchant, until: date, lapse_days: int, seen: date | None = None) -> Buyers:
    """Read everybody who bought until the end of a day; with `seen`, also what they did from then to that day."""
    day = _number("day")
    last, edge = number(until), number(until) - lapse_days
    known, bought = f"{day} <= {last}", f"{day} <= {last} AND net_revenue_minor > 0"
    sql = f"""
        SELECT customer_id,
               {_count(bought)}, {_or_zero(f"MIN(CASE WHEN {bought} THEN {day} END)")},
               {_or_zero(f"MAX(CASE WHEN {bought} THEN {day} END)")}, {_sum(bought)},
               {_or_zero(f"MIN(CASE WHEN {bought} THEN {day} * {_SHIFT} + net_revenue_minor END)")}, {_sum(known)},
               {_or_zero(f"MIN(CASE WHEN {bought} AND {day} > {edge} THEN {day} END)")},
               {_or_zero(f"MAX(CASE WHEN {bought} AND {day} <= {edge} THEN {day} END)")},
               {_count(f"{day} > {last} AND net_revenue_minor > 0")},
               {_sum(f"{day} > {last} AND net_revenue_minor > 0")}
        FROM loyalty_revenueday
        WHERE merchant_id = %s AND currency = %s AND day <= %s
        GROUP BY customer_id HAVING {_count(bought)} > 0
    """
    found = columns.read(sql, [merchant.pk, merchant.currency, seen or until], _NAMES)
    found["on_first"] %= _SHIFT
    return Buyers(until=last, **found)


def _number(column: str) -> str:
    """Return a day as a number, counted from 1970."""
    if db.is_postgres():
        return f"CAST({column} - DATE '1970-01-01' AS bigint)"
    return f"CAST(julianday({column}) - 2440587.5 AS INTEGER)"


def _or_zero(what: str) -> str:
    return f"CAST(COALESCE({what}, 0) AS bigint)"


def _sum(where: str) -> str:
    return _or_zero(f"SUM(CASE WHEN {where} THEN net_revenue_minor END)")


def _count(where: str) -> str:
    return f"COUNT(CASE WHEN {where} THEN 1 END)"


def lapse_days(*, merchant: Merchant, until: date) -> int:
    """Return after how many silent days a customer of this shop counts as lapsed: two years of gaps, counted there."""
    found = db.ask(
        f"""
        WITH gaps AS (
            SELECT customer_id, {_number("day")} - LAG({_number("day")}) OVER (
                   PARTITION BY customer_id ORDER BY day) AS gap
            FROM loyalty_revenueday
            WHERE merchant_id = %s AND currency = %s AND net_revenue_minor > 0 AND day > %s AND day <= %s
        ), weighted AS (
            SELECT gap, 1.0 / COUNT(*) OVER (PARTITION BY customer_id) AS weight FROM gaps WHERE gap IS NOT NULL
        )
        SELECT gap, SUM(weight), COUNT(*) FROM weighted GROUP BY gap ORDER BY gap
        """,
        [merchant.pk, merchant.currency, until - timedelta(days=730), until],
    ).rows
    return retention.lapse_days_of(
        [float(gap) for gap, _weight, _count in found],
        [float(weight) for _gap, weight, _count in found],
        count=sum(int(count) for _gap, _weight, count in found),
    )


def left_out(*, merchant: Merchant) -> int:
    """Return how many customer days are in other currencies than the merchant's own."""
    found = db.ask(
        "SELECT COUNT(*) FROM loyalty_revenueday WHERE merchant_id = %s AND currency <> %s",
        [merchant.pk, merchant.currency],
    ).one
    return int(found[0]) if found else 0


def revenue(*, merchant: Merchant, since: date, until: date) -> int:
    """Return the net revenue of the days from `since` to before `until`, in the merchant's currency."""
    params: list[Any] = [merchant.pk, merchant.currency, since, until]
    found = db.ask(
        "SELECT COALESCE(SUM(net_revenue_minor), 0) FROM loyalty_revenueday "
        "WHERE merchant_id = %s AND currency = %s AND day >= %s AND day < %s",
        params,
    ).one
    return int(found[0]) if found else 0
