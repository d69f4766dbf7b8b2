"""
Who is in which arm, and whether a difference is more than chance. Pure: numbers in, numbers out.

An arm is decided by a stable hash, so that nobody is asked twice and nothing is stored to know it. Rates
are analyzed by assignment: everybody who was put into an arm counts, whatever reached them.

Two p-values are given. The usual one (`p`) holds for one look at a time that was chosen before. The lasting
one (`lasting_p`, Howard and others' confidence sequences in GrowthBook's form) holds however often somebody looks.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
from scipy import special

# Below so many people per arm, or so few who reached the goal (or did not) in both, an interval would
# pretend to know: the normal approximation needs them.
LEAST_PEOPLE = 30
LEAST_EITHER = 5
Z_95 = 1.959963984540054
ALPHA = 0.05
# Where the lasting interval is tightest: at so many people in both groups together.
TUNED_FOR = 5_000
# Below this the arms are of other sizes than was meant, and the experiment is broken: no result is shown as true.
SKEWED_BELOW = 0.001


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
    The difference of two rates or means, `tried - base`, with its 95 % interval and the two-sided p-value,
    both for one look and (`lasting_`) for any number of looks. Where there is not enough data, all of them are None.
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    lasting_low: float | None = None
    lasting_high: float | None = None
    lasting_p: float | None = None

    @property
    def is_enough(self) -> bool:
        return self.p is not None

    @property
    def is_clear(self) -> bool:
        """Whether the interval of one look leaves no difference out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def is_lasting(self) -> bool:
        """Whether it is more than chance, however often somebody looked."""
        return self.lasting_p is not None and self.lasting_p < ALPHA


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
    return _compared(difference, own, p=p, times=Z_95, people=people)


def _compared(difference: float, error: float, *, p: float, times: float, people: int) -> Comparison:
    wide, lasting = always_valid(difference, error, people=people)
    low, high = difference - times * error, difference + times * error
    return Comparison(difference, low, high, p, difference - wide, difference + wide, lasting)


def always_valid(
    difference: float, error: float, *, people: int, alpha: float = ALPHA
) -> tuple[float, float]:
    """
    Return half the width of the interval, and the p-value, that hold however often somebody looks.

    :param error: the standard error of the difference; `people` are those of both groups together
    """
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / TUNED_FOR
    grown = people * rho2 + 1
    half = (
        error
        * math.sqrt(people)
        * math.sqrt(2 * grown * math.log(math.sqrt(grown) / alpha) / (people * people * rho2))
    )
    if error == 0:
        return half, 1.0 if difference == 0 else 0.0
    z = difference / error
    # 1 / e by its logarithm: e itself leaves the range of floats.
    log_e = rho2 * people * z * z / (2 * grown) - math.log(grown) / 2
    return half, min(1.0, math.exp(-log_e))


def chance_better(tried: Rate, base: Rate) -> float:
    """Return the probability that `tried` is truly better than `base`, each with a uniform prior. An exact sum."""
    a, b = 1 + base.reached, 1 + base.people - base.reached
    c, d = 1 + tried.reached, 1 + tried.people - tried.reached
    i = numpy.arange(c, dtype=float)
    terms = special.betaln(a + i, b + d) - numpy.log(d + i) - special.betaln(1 + i, d) - special.betaln(a, b)
    return float(min(1.0, numpy.exp(special.logsumexp(terms))))


def skew(people: Sequence[int], shares: Sequence[float]) -> float:
    """
    Return the p-value that arms of these sizes come from these shares: a chi-square test.

    Below `SKEWED_BELOW` something loses people of one arm, and what the arms show is not their doing.
    """
    wanted = [(count, share * sum(people)) for count, share in zip(people, shares, strict=True) if share > 0]
    if len(wanted) < 2 or not sum(people):
        return 1.0
    chi2 = sum((count - expected) ** 2 / expected for count, expected in wanted)
    return float(special.chdtrc(len(wanted) - 1, chi2))


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one arm: y is what is measured, x the same before anybody was in an arm."""

    n: int = 0
    y: float = 0.0
    yy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.y / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with the variance of one observation (n - 1)."""

    n: int
    mean: float
    variance: float


def plain(sums: Sums) -> Mean:
    """Return the mean of y as it is."""
    return Mean(sums.n, sums.y / sums.n, max((sums.yy - sums.y**2 / sums.n) / (sums.n - 1), 0.0))


def cuped(arms: Sequence[Sums]) -> list[Mean]:
    """
    Return the means of y without what x explains (CUPED): less noise, the same difference on average.

    theta = cov(y, x) / var(x), both pooled within the arms; y' = y - theta (x - mean of all x).
    """
    spread = sum(one.xx - one.x**2 / one.n for one in arms)
    together = sum(one.xy - one.x * one.y / one.n for one in arms)
    theta = together / spread if spread > 0 else 0.0
    middle = sum(one.x for one in arms) / sum(one.n for one in arms)
    found = []
    for one in arms:
        yy, xx, xy = one.yy - one.y**2 / one.n, one.xx - one.x**2 / one.n, one.xy - one.x * one.y / one.n
        left = max((yy - 2 * theta * xy + theta**2 * xx) / (one.n - 1), 0.0)
        found.append(Mean(one.n, one.y / one.n - theta * (one.x / one.n - middle), left))
    return found


def compare_means(tried: Mean, base: Mean) -> Comparison:
    """Compare two means by Welch's t test. `NOT_ENOUGH` below 30 people in either, or where nothing varies."""
    if min(tried.n, base.n) < LEAST_PEOPLE or tried.variance + base.variance <= 0:
        return NOT_ENOUGH
    first, second = tried.variance / tried.n, base.variance / base.n
    error = math.sqrt(first + second)
    freedom = (first + second) ** 2 / (first**2 / (tried.n - 1) + second**2 / (base.n - 1))
    difference = tried.mean - base.mean
    p = 2 * float(special.stdtr(freedom, -abs(difference) / error))
    times = float(special.stdtrit(freedom, 1 - ALPHA / 2))
    return _compared(difference, error, p=p, times=times, people=tried.n + base.n)


def compare_sums(tried: Sums, base: Sums) -> Comparison:
    """Compare what two arms were worth, without what was so before: CUPED, then Welch."""
    if min(tried.n, base.n) < LEAST_PEOPLE:
        return NOT_ENOUGH
    first, second = cuped([tried, base])
    return compare_means(first, second)


def people_needed(*, base: float, tried: float, alpha: float = ALPHA, power: float = 0.8) -> int:
    """Return how many people each of two arms needs to tell these two rates apart."""
    middle = (base + tried) / 2
    chance, sure = float(special.ndtri(1 - alpha / 2)), float(special.ndtri(power))
    spread = chance * math.sqrt(2 * middle * (1 - middle)) + sure * math.sqrt(
        base * (1 - base) + tried * (1 - tried)
    )
    return math.ceil((spread / (tried - base)) ** 2)
