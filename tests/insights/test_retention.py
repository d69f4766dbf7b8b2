"""Four parts that add up, for any customers whatever; and after how many silent days one counts as lapsed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights import retention
from insights.retention import Parts

customer = st.tuples(st.integers(-5_000, 50_000), st.integers(-5_000, 50_000), st.booleans(), st.booleans())


def split(rows):
    before, now, new, silent = zip(*rows, strict=True) if rows else ((), (), (), ())
    return retention.split(before=before, now=now, is_new=new, is_silent=silent)


def test_each_customer_lands_in_one_part():
    parts = split(
        [
            (1000, 1500, False, False),  # grew by 500
            (1000, 400, False, False),  # shrank by 600
            (1000, 1000, False, False),  # kept
            (1000, 0, False, True),  # lapsed
            (1000, -200, False, False),  # gave back more than they bought: paused
            (0, 700, False, False),  # returned
            (0, 300, True, False),  # new
        ]
    )

    assert (parts.start, parts.now) == (5000, 3700)
    assert (parts.expansion, parts.contraction, parts.lapsed, parts.paused) == (500, 600, 1000, 1200)
    assert (parts.returned, parts.new) == (700, 300)
    assert (parts.base_customers, parts.lapsed_customers, parts.paused_customers) == (5, 1, 1)
    assert parts.adds_up
    assert parts.gross_retention == pytest.approx(2200 / 5000)
    assert parts.net_retention == pytest.approx(2700 / 5000)
    assert parts.net_churn == pytest.approx(2300 / 5000)
    assert parts.net_churn_with_returned == pytest.approx(1600 / 5000)
    assert parts.customer_churn == pytest.approx(2 / 5)


def test_churn_is_negative_when_those_who_stayed_grew_by_more_than_was_lost():
    parts = split([(1000, 3000, False, False), (1000, 0, False, True)])

    assert parts.net_churn == pytest.approx(-0.5)
    assert parts.net_retention == pytest.approx(1.5)
    assert not parts.is_telling


def test_without_revenue_before_nothing_is_defined():
    parts = split([(0, 500, True, False), (-100, 0, False, True)])

    assert (parts.net_retention, parts.gross_retention, parts.net_churn) == (None, None, None)
    assert parts.customer_churn is None
    assert parts.adds_up


@given(st.lists(customer, max_size=40))
def test_the_parts_always_add_up(rows):
    parts = split(rows)

    assert parts.adds_up
    assert parts.now == sum(row[1] for row in rows)
    assert min(parts.expansion, parts.contraction, parts.lapsed, parts.paused) >= 0


@given(st.lists(customer, max_size=20), st.lists(customer, max_size=20))
def test_two_groups_add_up_to_all(some, others):
    assert split(some) + split(others) == split(some + others)


def test_no_customers_are_no_parts():
    assert split([]) == Parts()


def test_those_who_come_daily_do_not_decide_when_others_have_lapsed():
    # One comes 1,000 days in a row; 99 come every 50 days, ten times.
    who = [0] * 1000 + [number for number in range(1, 100) for _ in range(10)]
    day = [*range(1000), *(50 * time for _ in range(99) for time in range(10))]

    assert retention.lapse_days(who, day) == 50


def test_with_few_gaps_it_is_90_days_and_never_out_of_bounds():
    assert retention.lapse_days([], []) == 90
    assert retention.lapse_days([1, 1], [0, 5]) == 90
    daily = np.tile(np.arange(30), 10), np.repeat(np.arange(10), 30)
    assert retention.lapse_days(daily[1], daily[0]) == 30
    rare = np.repeat(np.arange(150), 3), np.tile([0, 600, 1200], 150)
    assert retention.lapse_days(*rare) == 365


def test_two_baskets_on_one_day_are_no_gap():
    once = retention.lapse_days(np.repeat(np.arange(100), 4), np.tile([0, 40, 80, 120], 100))
    doubled = retention.lapse_days(
        np.repeat(np.arange(100), 8), np.tile([0, 0, 40, 40, 80, 80, 120, 120], 100)
    )

    assert once == doubled == 40
