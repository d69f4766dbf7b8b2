"""The arithmetic of paying with points, against what it promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.payment import payment

pytestmark = pytest.mark.core
SMALL = st.integers(1, 500)
MAYBE = st.none() | st.integers(0, 50_000)


@given(
    step_points=SMALL,
    step_minor=SMALL,
    available=st.integers(0, 50_000),
    points=MAYBE,
    basket_minor=MAYBE,
    min_points=st.integers(0, 2_000),
    max_percent=st.integers(1, 100),
)
def test_nothing_is_paid_that_should_not_be(**said):
    paid = payment(**said)

    assert 0 <= paid.points <= said["available"]
    if said["points"] is not None:
        assert paid.points <= said["points"]
    if said["basket_minor"] is not None:
        assert paid.amount_minor * 100 <= said["basket_minor"] * said["max_percent"]
    steps, rest = divmod(paid.points, said["step_points"])
    assert (rest, paid.amount_minor) == (0, steps * said["step_minor"])
    assert not paid.points or paid.points >= said["min_points"]


@given(
    step_points=SMALL,
    step_minor=SMALL,
    available=st.integers(0, 50_000),
    basket_minor=st.integers(0, 50_000),
    max_percent=st.integers(1, 100),
)
def test_as_much_is_paid_as_can_be(step_points, step_minor, available, basket_minor, max_percent):
    paid = payment(
        step_points=step_points,
        step_minor=step_minor,
        available=available,
        basket_minor=basket_minor,
        max_percent=max_percent,
    )

    one_more = paid.amount_minor + step_minor
    is_too_dear = paid.points + step_points > available
    assert is_too_dear or one_more * 100 > basket_minor * max_percent
