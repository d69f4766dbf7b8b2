"""
Who is in which arm, and whether a difference is more than chance. Pure: numbers in, numbers out.

An arm is decided by a stable hash, so that nobody is asked twice and nothing is stored to know it. Rates
are analyzed by assignment: everybody who was put into an arm counts, whatever reached them.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

# Below so many people per arm, or so few who reached the goal (or did not) in both, an interval would
# pretend to know: the normal approximation needs them.
LEAST_PEOPLE = 30
LEAST_EITHER = 5
Z_95 = 1.959963984540054


def position(*, key: str, unit: str) -> float:
    """Return where a unit (a customer's id) falls between 0 and 1 under a key: always the same place."""
    digest = hashlib.sha256(f"{key}:{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_held_out(*, key: str, unit: str, share: float) -> bool:
    """Tell whether a unit is in the share (0 to 1) that is left out."""
    return position(key=key, unit=unit) < share


def arm(*, key: str, unit: str, shares: Mapping[str, float]) -> str:
    """Return the arm of a unit; `shares` add up to 1, in a fixed order."""
    place, edge = position(key=key, unit=unit), 0.0
    for name, share in shares.items():
        edge += share
        if place < edge:
            return name
    return list(shares)[-1]


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of how many reached a goal."""

    reached: int
    people: int

    @property
    def share(self) -> float | None:
        return self.reached / self.people if self.people else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    The difference of two rates, `tried - base`, in points of the rate, with its 95 % interval and the
    two-sided p-value. Where there is not enough data, all of them are None.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def is_enough(self) -> bool:
        return self.p is not None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no difference out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


NOT_ENOUGH = Comparison()


def compare(tried: Rate, base: Rate) -> Comparison:
    """
    Compare two rates: pooled two-proportion z test, the interval without pooling.

    Return `NOT_ENOUGH` where either group has fewer than 30 people, or both together fewer than 5 who
    reached the goal or fewer than 5 who did not.
    """
    reached, people = tried.reached + base.reached, tried.people + base.people
    if min(tried.people, base.people) < LEAST_PEOPLE or min(reached, people - reached) < LEAST_EITHER:
        return NOT_ENOUGH
    first, second = tried.reached / tried.people, base.reached / base.people
    pooled = reached / people
    difference = first - second
    error = math.sqrt(pooled * (1 - pooled) * (1 / tried.people + 1 / base.people))
    own = math.sqrt(first * (1 - first) / tried.people + second * (1 - second) / base.people)
    p = math.erfc(abs(difference / error) / math.sqrt(2))
    return Comparison(difference, difference - Z_95 * own, difference + Z_95 * own, p)
