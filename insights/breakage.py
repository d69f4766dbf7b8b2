"""
How many points will ever be redeemed: chain-ladder and Bornhuetter-Ferguson on cohorts of issue months.

A triangle has one row per issue month, one column per age in months, cumulative redeemed points; what has not
happened yet is NaN. Arrays in, numbers out.

Sources: Mack (1993), Distribution-Free Calculation of the Standard Error of Chain Ladder Reserve Estimates;
Bornhuetter and Ferguson (1972), The Actuary and IBNR; IFRS 15 B39-B47 and ASC 606-10-55-42 to 49 for what is
done with the answer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
YOUNG_MONTHS = 6


@dataclass(frozen=True, slots=True)
class Estimate:
    """
    What becomes of the points of each issue month.

    `ultimate` points will have been redeemed in the end, `latest` have been. `rate` is the ultimate redemption
    rate of all, None where none were issued; 1 - rate is breakage. `is_early`: too little history
    for development factors, so that the prior stands alone.
    """

    issued: Floats
    latest: Floats
    ultimate: Floats
    factors: Floats
    rate: float | None
    is_early: bool

    @property
    def coming(self) -> Floats:
        """Points of each month that are outstanding and will be redeemed."""
        return np.maximum(self.ultimate - self.latest, 0.0)


def estimate(*, issued: ArrayLike, redeemed: ArrayLike, prior: float = 0.75, tail: float = 1.0) -> Estimate:
    """
    Estimate the points redeemed in the end.

    `redeemed` is the triangle. `prior` is the redemption rate taken for young months, where a factor on a
    few points would run away; `tail` is the factor beyond the last age (1 where points expire inside the
    triangle). No month is expected to redeem more than it issued, or less than it has.

    :raises ValueError: the shapes do not fit
    """
    points, triangle = np.asarray(issued, np.float64), np.asarray(redeemed, np.float64)
    if triangle.ndim != 2 or points.shape != (len(triangle),):
        raise ValueError("issued has one entry for each row of the triangle.")
    if not triangle.size:
        none = np.empty(0)
        return Estimate(points, none, none, none, None, is_early=True)
    factors = _factors(triangle)
    age = (~np.isnan(triangle)).sum(axis=1)
    latest = np.array([row[count - 1] if count else 0.0 for row, count in zip(triangle, age, strict=True)])
    to_come = np.array([np.prod(factors[max(count - 1, 0) :]) * tail for count in age])
    chain_ladder = latest * to_come
    # Bornhuetter-Ferguson: what a young month has redeemed, and of the prior what is still to come.
    blended = latest + points * prior * (1 - 1 / to_come)
    is_early = triangle.shape[1] < 2 or not (factors > 1).any()
    if is_early:
        ultimate = np.maximum(points * prior, latest)
    else:
        ultimate = np.where(age <= YOUNG_MONTHS, blended, chain_ladder)
    ultimate = np.clip(ultimate, latest, np.maximum(points, latest))
    total = float(points.sum())
    return Estimate(
        points, latest, ultimate, factors, float(ultimate.sum()) / total if total else None, is_early
    )


def _factors(triangle: Floats) -> Floats:
    """Return the development factors: all of age j + 1 over all of age j, of the months that know both."""
    found = np.ones(triangle.shape[1] - 1)
    for age in range(len(found)):
        both = ~np.isnan(triangle[:, age + 1])
        before = triangle[both, age].sum()
        if before > 0:
            found[age] = max(triangle[both, age + 1].sum() / before, 1.0)
    return found


def deferred(*, price: float, points_value: float, goods_value: float | None = None) -> float:
    """
    Return the part of a price that is deferred until the points are redeemed (IFRS 15.74: relative prices).

    `points_value` is the stand-alone price of the points of this sale, already times their redemption rate;
    `goods_value` that of the goods, the price itself unless it was a special one.
    """
    goods = price if goods_value is None else goods_value
    return price * points_value / (goods + points_value) if goods + points_value else 0.0


def recognized(*, deferred: float, redeemed: float, expected: float) -> float:
    """
    Return the revenue to date of a deferred amount: in proportion to the points redeemed of those expected.

    Breakage is so recognized as the others redeem; a new expectation is caught up at once (IFRS 15.B46).
    """
    return deferred * min(redeemed / expected, 1.0) if expected > 0 else 0.0
