"""Who is in which arm, and when a difference is more than chance: against numbers known from elsewhere."""

import hashlib
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from engagement import experiments
from engagement.experiments import Rate
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
