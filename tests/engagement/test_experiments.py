"""Who is in which arm, and when a difference is more than chance: against numbers known from elsewhere."""

import hashlib
import math
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy
import pytest
from scipy import special, stats

from engagement import experiments
from engagement.experiments import Rate, Sums
from engagement.flows import plan

pytestmark = pytest.mark.core
LISBON = ZoneInfo("Europe/Lisbon")


def test_a_position_is_the_hash_that_is_documented():
    digest = hashlib.sha256(b"summer:42").digest()[:8]

    assert experiments.position(key="summer", unit="42") == int(digest.hex(), 16) / 2**64


def test_positions_are_spread_evenly_and_keys_are_independent():
    first = [experiments.position(key="a", unit=str(n)) for n in range(20_000)]
    second = [experiments.position(key="b", unit=str(n)) for n in range(20_000)]
    tenths = [sum(1 for one in first if n / 10 <= one < (n + 1) / 10) for n in range(10)]
    both = sum(1 for one, other in zip(first, second, strict=True) if one < 0.1 and other < 0.1)

    assert max(abs(count - 2000) for count in tenths) < 200
    assert abs(both - 200) < 60


def test_arms_share_as_they_say():
    shares = {"a": 0.2, "b": 0.5, "c": 0.3}
    found = [experiments.arm(key="k", unit=str(n), shares=shares) for n in range(10_000)]

    assert {name: round(found.count(name) / 10_000, 1) for name in shares} == shares


def test_two_rates_are_compared_as_in_the_textbook():
    # 120 of 1000 against 90 of 1000: z = 2.1879 pooled, p = 0.02868; interval 0.0031 .. 0.0569 unpooled.
    found = experiments.compare(Rate(120, 1000), Rate(90, 1000))

    assert found.difference == pytest.approx(0.03)
    assert found.p == pytest.approx(0.02868, abs=2e-4)
    assert (found.low, found.high) == (pytest.approx(0.003157, abs=1e-4), pytest.approx(0.056843, abs=1e-4))
    assert found.is_clear


@pytest.mark.parametrize(
    ("tried", "base"),
    [
        (Rate(5, 29), Rate(300, 1000)),
        (Rate(300, 1000), Rate(0, 0)),
        (Rate(2, 1000), Rate(2, 1000)),
        (Rate(998, 1000), Rate(998, 1000)),
    ],
)
def test_too_little_says_nothing(tried, base):
    assert experiments.compare(tried, base) == experiments.NOT_ENOUGH


@pytest.mark.parametrize(
    ("after", "wanted", "found"),
    [
        # Clocks jump from 01:00 to 02:00 on 29 March 2026.
        (datetime(2026, 3, 28, 12, tzinfo=UTC), time(1, 30), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (datetime(2026, 3, 28, 12, tzinfo=UTC), time(9), datetime(2026, 3, 29, 8, tzinfo=UTC)),
        # 01:30 comes twice on 25 October 2026: the first counts, and it is not said twice.
        (datetime(2026, 10, 24, 12, tzinfo=UTC), time(1, 30), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 0, 31, tzinfo=UTC), time(1, 30), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)),
        (datetime(2026, 5, 1, 9, tzinfo=UTC), time(10), datetime(2026, 5, 1, 9, tzinfo=UTC)),
    ],
)
def test_the_next_time_of_day_where_the_customer_is(after, wanted, found):
    assert plan.next_time(wanted, after=after, zone=LISBON) == found


# --- more formulas: against scipy, statsmodels 0.15 (numbers written down), and what was drawn ----------


def sums(y, x):
    return Sums(len(y), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())


@pytest.fixture
def baskets():
    """What two groups bought before and after: the second one 2.00 more, in noise that was there before."""
    draw = numpy.random.default_rng(1)
    before = draw.normal(50, 10, 400), draw.normal(50, 10, 300)
    after = [0.8 * x + draw.normal(0, 5, len(x)) + add for x, add in zip(before, (0, 2), strict=True)]
    return list(zip(after, before, strict=True))


def test_the_p_value_is_that_of_statsmodels():
    # statsmodels.stats.proportion.proportions_ztest([120, 90], [1000, 1000]) -> (2.18827, 0.0286502)
    assert experiments.compare(Rate(120, 1000), Rate(90, 1000)).p == pytest.approx(0.0286502404)


def test_means_are_compared_as_scipy_does(baskets):
    (one, _), (other, _) = baskets
    wanted = stats.ttest_ind(other, one, equal_var=False)
    found = experiments.compare_means(
        experiments.plain(sums(*baskets[1])), experiments.plain(sums(*baskets[0]))
    )

    assert found.p == pytest.approx(wanted.pvalue)
    interval = wanted.confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_what_was_so_before_is_taken_out(baskets):
    """CUPED by sums is the textbook's CUPED over the rows."""
    (y, x), (y2, x2) = baskets
    within = [numpy.stack([b - b.mean(), a - a.mean()]) for a, b in ((y, x), (y2, x2))]
    theta = sum((b * a).sum() for b, a in within) / sum((b * b).sum() for b, _ in within)
    middle = numpy.concatenate([x, x2]).mean()
    wanted = stats.ttest_ind(y2 - theta * (x2 - middle), y - theta * (x - middle), equal_var=False)

    found = experiments.compare_sums(sums(y2, x2), sums(y, x))
    plain = experiments.compare_means(experiments.plain(sums(y2, x2)), experiments.plain(sums(y, x)))

    assert found.p == pytest.approx(wanted.pvalue)
    assert found.high - found.low < 0.6 * (plain.high - plain.low)
    assert found.low < 2 < found.high
    assert found.is_clear


def test_without_anything_before_cuped_changes_nothing(baskets):
    (y, x), (y2, x2) = baskets
    bare = [sums(y2, 0 * x2), sums(y, 0 * x)]

    found = experiments.compare_sums(*bare)

    assert found.p == pytest.approx(stats.ttest_ind(y2, y, equal_var=False).pvalue)


def test_the_chance_to_be_better_is_the_share_of_draws():
    tried, base = Rate(120, 1000), Rate(90, 1000)
    draw = numpy.random.default_rng(2)
    better = (draw.beta(121, 881, 1_000_000) > draw.beta(91, 911, 1_000_000)).mean()

    assert experiments.chance_better(tried, base) == pytest.approx(better, abs=2e-3)
    assert experiments.chance_better(base, base) == pytest.approx(0.5)
    assert experiments.chance_better(tried, base) + experiments.chance_better(base, tried) == pytest.approx(1)


def test_a_skew_of_the_arms_is_seen():
    assert experiments.skew([5200, 4800], [0.5, 0.5]) == pytest.approx(stats.chisquare([5200, 4800]).pvalue)
    assert experiments.skew([5200, 4800], [0.5, 0.5]) < experiments.SKEWED_BELOW
    assert experiments.skew([5050, 4950], [0.5, 0.5]) > experiments.SKEWED_BELOW
    assert experiments.skew([100, 0], [1.0, 0.0]) == 1.0


def test_the_lasting_interval_is_that_of_the_formula():
    n, error, alpha = 2000, 0.0137, 0.05
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / 5000
    wanted = error * math.sqrt(n) * math.sqrt(
        2 * (n * rho2 + 1) * math.log(math.sqrt(n * rho2 + 1) / alpha) / (n * math.sqrt(rho2)) ** 2
    )  # fmt: skip

    half, p = experiments.always_valid(0.03, error, people=n)

    assert half == pytest.approx(wanted)
    e = math.exp(rho2 * n * (0.03 / error) ** 2 / (2 * (n * rho2 + 1))) / math.sqrt(n * rho2 + 1)
    assert p == pytest.approx(min(1, 1 / e))
    assert experiments.always_valid(half, error, people=n)[1] == pytest.approx(alpha)  # the two agree


def test_who_looks_every_day_is_misled_by_the_usual_p_and_not_by_the_lasting_one():
    """200 experiments without any difference, each looked at 40 times."""
    draw = numpy.random.default_rng(3)
    usual = lasting = 0
    for _ in range(200):
        first = numpy.cumsum(draw.binomial(100, 0.1, 40))
        second = numpy.cumsum(draw.binomial(100, 0.1, 40))
        looks = [
            experiments.compare(Rate(int(a), 100 * (day + 1)), Rate(int(b), 100 * (day + 1)))
            for day, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        usual += any(one.p is not None and one.p < 0.05 for one in looks)
        lasting += any(one.is_lasting for one in looks)

    assert usual > 40
    assert lasting <= 10


def test_how_many_people_an_experiment_needs():
    # From 10 % to 12 % with 80 % power: 3,841 per arm (Fleiss, without correction).
    assert experiments.people_needed(base=0.1, tried=0.12) == 3841
    assert special.ndtri(0.975) == pytest.approx(experiments.Z_95)
