"""
Negative churn for shops: what the same customers spend now against what they spent before.

Two windows of equal length, before and now. Of the customers with positive revenue before (the base):

    start        what they spent before
    expansion    what those spend more who spend more
    contraction  what those spend less who spend less and still spend
    lapsed       what those spent before who spend nothing now and have been silent for the lapse window
    paused       the same for those who were silent for less

and beside the base: `returned`, who bought for the first time before this window and not in the last one, and
`new`. Then, to the unit: start + expansion - contraction - lapsed - paused + returned + new = revenue now.

Terms as in ChartMogul and Stripe Billing: GRR and NRR of the base; net churn is 1 - NRR, and negative when
expansion exceeds loss. Revenue is net of refunds on the day of the refund; tax, shipping and what points paid
are left out by whoever counts it.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

FEWEST = 30  # customers in the base: below it a percentage says nothing


@dataclass(frozen=True, slots=True)
class Parts:
    """Revenue in minor units, and customers counted. Two groups of customers add up."""

    start: int = 0
    expansion: int = 0
    contraction: int = 0
    lapsed: int = 0
    paused: int = 0
    returned: int = 0
    new: int = 0
    now: int = 0
    base_customers: int = 0
    kept_customers: int = 0
    lapsed_customers: int = 0
    paused_customers: int = 0

    def __add__(self, other: "Parts") -> "Parts":
        return Parts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def lost(self) -> int:
        """What the base spends less because customers stayed away."""
        return self.lapsed + self.paused

    @property
    def adds_up(self) -> bool:
        """Whether the identity holds. It always does, or a customer was counted twice or not at all."""
        kept = self.start + self.expansion - self.contraction - self.lost
        return kept + self.returned + self.new == self.now

    @property
    def is_telling(self) -> bool:
        """Whether there are customers enough for a percentage."""
        return self.base_customers >= FEWEST and self.start > 0

    @property
    def gross_retention(self) -> float | None:
        """GRR: what is left of the base's revenue without any growth; None where nothing was there."""
        return (self.start - self.contraction - self.lost) / self.start if self.start else None

    @property
    def net_retention(self) -> float | None:
        """NRR: the base's revenue now over its revenue before."""
        kept = self.start + self.expansion - self.contraction - self.lost
        return kept / self.start if self.start else None

    @property
    def net_churn(self) -> float | None:
        """Net revenue churn, 1 - NRR: negative when those who stayed grew by more than was lost."""
        return (self.contraction + self.lost - self.expansion) / self.start if self.start else None

    @property
    def net_churn_with_returned(self) -> float | None:
        """The same with reactivation counted as growth. Never the headline: it hides a base that shrinks."""
        less = self.contraction + self.lost - self.expansion - self.returned
        return less / self.start if self.start else None

    @property
    def customer_churn(self) -> float | None:
        """Customers of the base who spend nothing now, over the base."""
        away = self.lapsed_customers + self.paused_customers
        return away / self.base_customers if self.base_customers else None


def split(*, before: ArrayLike, now: ArrayLike, is_new: ArrayLike, is_silent: ArrayLike) -> Parts:
    """
    Split the revenue of customers, one entry each: `before` and `now` in minor units.

    `is_new`: the first purchase lies in this window; `is_silent`: none within the lapse window at its end.
    """
    was, is_now = np.asarray(before, np.int64), np.asarray(now, np.int64)
    fresh, silent = np.asarray(is_new, bool), np.asarray(is_silent, bool)
    if not was.shape == is_now.shape == fresh.shape == silent.shape or was.ndim != 1:
        raise ValueError("before, now, is_new and is_silent are four arrays of one length.")
    base = was > 0
    stayed, away = base & (is_now > 0), base & (is_now <= 0)
    lapsed, paused = away & silent, away & ~silent
    change = is_now - was

    def total(values: object, where: object) -> int:
        return int(np.asarray(values)[np.asarray(where)].sum())

    return Parts(
        start=total(was, base),
        expansion=total(change, stayed & (change > 0)),
        contraction=-total(change, stayed & (change < 0)),
        lapsed=-total(change, lapsed),
        paused=-total(change, paused),
        returned=total(is_now, ~base & ~fresh),
        new=total(is_now, ~base & fresh),
        now=int(is_now.sum()),
        base_customers=int(base.sum()),
        kept_customers=int(stayed.sum()),
        lapsed_customers=int(lapsed.sum()),
        paused_customers=int(paused.sum()),
    )


USUAL_LAPSE_DAYS, FEWEST_GAPS = 90, 200
SHORTEST_LAPSE, LONGEST_LAPSE = 30, 365


def lapse_days(customers: ArrayLike, days: ArrayLike) -> int:
    """
    Return after how many silent days a customer of this shop counts as lapsed.

    It is the 90th percentile of the gaps between a customer's purchase days, each customer with equal weight
    (else the few who come daily would decide for all), between 30 and 365; 90 with fewer than 200 gaps. One row is
    one customer and one purchase day, in any order, at most two years of them.
    """
    who, day = np.asarray(customers, np.int64), np.asarray(days, np.float64)
    if who.shape != day.shape or who.ndim != 1:
        raise ValueError("customers and days are two arrays of one length.")
    order = np.lexsort((day, who))
    who, day = who[order], day[order]
    same = who[1:] == who[:-1]
    gaps, of = np.diff(day)[same], who[1:][same]
    gaps, of = gaps[gaps > 0], of[gaps > 0]
    _ids, place, count = np.unique(of, return_inverse=True, return_counts=True)
    return lapse_days_of(gaps, 1 / count[place], count=len(gaps))


def lapse_days_of(lengths: ArrayLike, weights: ArrayLike, *, count: int) -> int:
    """Return the same from the lengths of gaps, the weight of each length, and how many gaps there are."""
    gaps, weight = np.asarray(lengths, np.float64), np.asarray(weights, np.float64)
    if count < FEWEST_GAPS:
        return USUAL_LAPSE_DAYS
    by_length = np.argsort(gaps, kind="stable")
    reached = np.cumsum(weight[by_length])
    found = gaps[by_length][np.searchsorted(reached, 0.9 * reached[-1])]
    return int(min(max(round(float(found)), SHORTEST_LAPSE), LONGEST_LAPSE))
