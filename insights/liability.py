"""
What a program owes in money: by the cost of what will be redeemed, and by IFRS 15 / ASC 606.

Pure: cohorts and revenue in, figures in minor units out. Months are numbers, year x 12 + month - 1.

- Cost method: points that are outstanding and will be redeemed, at what a point costs. Breakage is the rest.
- IFRS 15: a part of each month's revenue is deferred, by the relative prices of the goods and of the points sold with
  them (points x value x redemption rate, as it was estimated at the end of that month: a price is allocated once,
  IFRS 15.88). It becomes revenue in proportion to the points redeemed of those expected to be; a new expectation is
  caught up at once (B46). What no point is left to wait for is revenue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from insights import breakage

Floats = NDArray[np.float64]
PRIOR = 0.75


class Aged(Protocol):
    """What became of a month's points at one age: see `insights.points.Cohort`."""

    @property
    def month(self) -> int: ...
    @property
    def age(self) -> int: ...
    @property
    def issued(self) -> int: ...
    @property
    def redeemed(self) -> int: ...
    @property
    def expired(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Triangle:
    """One row per month from `first` on, one column per age; what one age added, zero where nothing did."""

    first: int
    issued: Floats
    redeemed: Floats
    expired: Floats

    def at_end_of(self, month: int) -> "Triangle":
        """Return what was known when this month was over."""
        size = max(month - self.first + 1, 0)
        known = np.add.outer(np.arange(size), np.arange(size)) < size
        return Triangle(
            self.first,
            *(np.where(known, one[:size, :size], 0.0) for one in (self.issued, self.redeemed, self.expired)),
        )


@dataclass(frozen=True, slots=True)
class Month:
    """The points of one month of issue. `coming` are outstanding and will be redeemed, the rest is breakage."""

    month: int
    issued: int
    redeemed: int
    expired: int
    outstanding: int
    coming: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    What will become of the points outstanding at the end of a month. `rate` is the ultimate redemption rate, None
    where nothing was issued. `is_early`: no history yet, the prior stands alone.
    """

    months: list[Month]
    rate: float | None
    is_early: bool
    factors: list[float]

    @property
    def outstanding(self) -> int:
        return sum(month.outstanding for month in self.months)

    @property
    def coming(self) -> float:
        return sum(month.coming for month in self.months)

    @property
    def breakage(self) -> float:
        return self.outstanding - self.coming


@dataclass(frozen=True, slots=True)
class Economics:
    """What a point is worth to a customer, and costs the merchant, in minor units."""

    value_minor: float
    cost_minor: float
    prior: float = PRIOR


@dataclass(frozen=True, slots=True)
class Position:
    """Revenue deferred for points, at the end of a month: in all, and what of it has become revenue."""

    deferred_minor: int
    recognized_minor: int

    @property
    def balance_minor(self) -> int:
        return self.deferred_minor - self.recognized_minor


def triangle(cohorts: Iterable[Aged], *, until: int) -> Triangle:
    """Put cohorts into a square that ends with the month `until`; what happened later is left out."""
    known = [one for one in cohorts if one.month + one.age <= until]
    first = min((one.month for one in known), default=until + 1)
    size = until - first + 1
    issued, redeemed, expired = (np.zeros((size, size)) for _ in range(3))
    for one in known:
        place = one.month - first, one.age
        issued[place] += one.issued
        redeemed[place] += one.redeemed
        expired[place] += one.expired
    return Triangle(first, issued, redeemed, expired)


def estimate(known: Triangle, *, prior: float = PRIOR) -> Estimate:
    """Estimate what of each month's points will be redeemed. Nobody redeems more than is outstanding."""
    size = len(known.issued)
    issued = np.maximum(known.issued.sum(axis=1), 0.0)
    grown = known.redeemed.cumsum(axis=1)
    seen = np.add.outer(np.arange(size), np.arange(size)) < size
    found = breakage.estimate(issued=issued, redeemed=np.where(seen, grown, np.nan), prior=prior)
    months = []
    for row in range(size):
        given, used, gone = (int(table[row].sum()) for table in (known.issued, known.redeemed, known.expired))
        outstanding = given - used - gone
        coming = min(float(found.coming[row]), max(outstanding, 0))
        months.append(Month(known.first + row, given, used, gone, outstanding, coming))
    return Estimate(months, found.rate, found.is_early, [float(factor) for factor in found.factors])


def cost(estimated: Estimate, economics: Economics) -> int:
    """Return the liability by the cost method, in minor units."""
    return round(estimated.coming * economics.cost_minor)


def deferrals(known: Triangle, *, revenue: Mapping[int, int], economics: Economics) -> dict[int, float]:
    """
    Return the part of each month's revenue that its points deferred, as it was estimated when the month was over.

    `revenue` is what the customers paid in each month for goods, in minor units.
    """
    parts = {}
    for row, points in enumerate(known.issued[:, 0] if known.issued.size else ()):
        month = known.first + row
        price = max(revenue.get(month, 0), 0)
        rate = estimate(known.at_end_of(month), prior=economics.prior).rate
        worth = max(float(points), 0.0) * economics.value_minor * (economics.prior if rate is None else rate)
        parts[month] = breakage.deferred(price=price, points_value=worth)
    return parts


def position(known: Triangle, *, deferred: Mapping[int, float], economics: Economics) -> Position:
    """Return what is deferred of the months in the triangle, and what of it is revenue by now."""
    total = revenue = 0.0
    for month in estimate(known, prior=economics.prior).months:
        part = deferred.get(month.month, 0.0)
        total += part
        if month.outstanding <= 0:
            revenue += part
        else:
            expected = month.redeemed + month.coming
            revenue += breakage.recognized(deferred=part, redeemed=max(month.redeemed, 0), expected=expected)
    return Position(round(total), round(revenue))
