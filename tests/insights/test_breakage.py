"""Points that will be redeemed, by hand and by the textbook; and never more than were issued."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights import breakage

NAN = np.nan


def test_chain_ladder_of_old_months_by_hand():
    triangle = np.full((9, 9), NAN)
    for month in range(9):
        for age in range(9 - month):
            triangle[month, age] = 100 * (1 - 0.5 ** (age + 1))

    found = breakage.estimate(issued=[200.0] * 9, redeemed=triangle)

    assert found.factors[:3] == pytest.approx([75 / 50, 87.5 / 75, 93.75 / 87.5])
    # Months of 7 to 9 columns are developed by factors: each ends where the oldest has got to.
    assert found.ultimate[:3] == pytest.approx([100 * (1 - 0.5**9)] * 3)
    assert found.coming[0] == pytest.approx(0)


def test_a_young_month_takes_what_is_to_come_from_the_prior():
    triangle = [[40.0, 80.0], [10.0, NAN]]

    found = breakage.estimate(issued=[100.0, 100.0], redeemed=triangle, prior=0.8)

    # Half of all redemptions come after the first month: 10 + 100 x 0.8 x (1 - 1/2).
    assert found.ultimate[1] == pytest.approx(50)
    assert found.coming[1] == pytest.approx(40)
    assert found.rate == pytest.approx((80 + 50) / 200)
    assert not found.is_early


def test_without_a_history_the_prior_stands_alone_and_says_so():
    found = breakage.estimate(issued=[100.0], redeemed=[[3.0]], prior=0.6)

    assert found.is_early
    assert found.ultimate == pytest.approx([60])


def test_no_points_have_no_rate():
    assert breakage.estimate(issued=[], redeemed=np.empty((0, 0))).rate is None
    assert breakage.estimate(issued=[0.0], redeemed=[[0.0]]).rate is None


@given(
    st.integers(1, 8).flatmap(
        lambda size: st.lists(
            st.tuples(st.integers(0, 10_000), st.lists(st.integers(0, 3000), min_size=size, max_size=size)),
            min_size=size,
            max_size=size,
        )
    )
)
def test_no_month_redeems_more_than_it_issued_or_less_than_it_has(rows):
    size = len(rows)
    issued = np.array([row[0] for row in rows], float)
    triangle = np.array([np.minimum(np.cumsum(row[1]), row[0]) for row in rows], float)
    for month in range(size):
        triangle[month, size - month :] = NAN

    found = breakage.estimate(issued=issued, redeemed=triangle)

    assert np.isfinite(found.ultimate).all()
    assert (found.ultimate >= found.latest - 1e-9).all()
    assert (found.ultimate <= issued + 1e-9).all()
    assert found.rate is None or 0 <= found.rate <= 1


def test_a_price_is_shared_by_stand_alone_values():
    """The example of IFRS 15 (example 52): 100,000 of goods and points worth 9,500 after breakage."""
    points = breakage.deferred(price=100_000, points_value=9_500)

    assert points == pytest.approx(8_676, abs=0.5)
    # 4,500 of the 9,500 points that are expected to be redeemed have been: 4,110; then 8,500 of 9,700.
    assert breakage.recognized(deferred=points, redeemed=4_500, expected=9_500) == pytest.approx(
        4_110, abs=0.5
    )
    assert breakage.recognized(deferred=points, redeemed=8_500, expected=9_700) == pytest.approx(
        7_603, abs=0.5
    )


def test_a_special_price_is_shared_too():
    assert breakage.deferred(price=90, points_value=10, goods_value=110) == pytest.approx(90 * 10 / 120)
    assert breakage.deferred(price=0, points_value=0) == 0
    assert breakage.recognized(deferred=5, redeemed=0, expected=0) == 0
