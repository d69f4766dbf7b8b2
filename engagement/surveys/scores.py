"""
What many answers come to, and how far chance alone may have moved it. Pure: numbers in, numbers out.

Each answer counts once and as if by itself: somebody who answers every week counts every week.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Below so many answers an interval would pretend to know.
LEAST_ANSWERS = 30
Z_95 = 1.959963984540054
PROMOTERS_FROM, DETRACTORS_TO = 9, 6


@dataclass(frozen=True, slots=True)
class Score:
    """
    A figure of so many answers, its standard error and its 95 % interval.

    `value` is None without an answer; `error`, `low` and `high` are None with too few of them, or where all
    are alike, of which no spread can be told.
    """

    answers: int
    value: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_enough(self) -> bool:
        return self.answers >= LEAST_ANSWERS


def nps(counts: Mapping[int, int]) -> Score:
    """Return promoters minus detractors in percent, -100 to 100: SE = 100 sqrt(((P+D)/n - ((P-D)/n)^2)/n)."""
    n = sum(counts.values())
    if not n:
        return Score(0)
    promoters = sum(count for score, count in counts.items() if score >= PROMOTERS_FROM)
    detractors = sum(count for score, count in counts.items() if score <= DETRACTORS_TO)
    net = (promoters - detractors) / n
    variance = (promoters + detractors) / n - net**2
    return _around(n, 100 * net, 100 * math.sqrt(max(variance, 0.0) / n), least=-100, most=100)


def mean(counts: Mapping[int, int]) -> Score:
    """Return the mean score and its standard error s/sqrt(n)."""
    n = sum(counts.values())
    if not n:
        return Score(0)
    middle = sum(score * count for score, count in counts.items()) / n
    squares = sum(count * (score - middle) ** 2 for score, count in counts.items())
    error = math.sqrt(squares / (n - 1) / n) if n > 1 else 0.0
    return _around(n, middle, error, least=-math.inf, most=math.inf)


def share(part: int, n: int) -> Score:
    """Return how many percent `part` is of `n`, with Wilson's interval, which holds near 0 and 100 too."""
    if not n:
        return Score(0)
    p = part / n
    error = 100 * math.sqrt(p * (1 - p) / n)
    if n < LEAST_ANSWERS:
        return Score(n, 100 * p)
    z2 = Z_95**2
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z_95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Score(n, 100 * p, error, 100 * max(middle - reach, 0.0), 100 * min(middle + reach, 1.0))


def _around(n: int, value: float, error: float, *, least: float, most: float) -> Score:
    if n < LEAST_ANSWERS or error == 0:
        return Score(n, value)
    low, high = value - Z_95 * error, value + Z_95 * error
    return Score(n, value, error, max(low, least), min(high, most))
