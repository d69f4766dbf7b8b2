"""Refunds are exact and cumulative: however a sale comes back in parts, nothing drifts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import refunding
from loyalty.refunding import RefundExceedsPurchase, ReturnLine

pytestmark = pytest.mark.core


def sold(amount=1299, points=12, *, lines=(), basis=None, merchandise=None, shares=None):
    return {
        "amount_minor": amount,
        "merchandise_minor": amount if merchandise is None else merchandise,
        "basis_minor": amount if basis is None else basis,
        "points_earned": points,
        "clawed_back": 0,
        "refunded_minor": 0,
        "refunded_basis_minor": 0,
        "refunded_lines": {},
        "lines": list(lines),
        "why": {"qualifying": points, "lines": shares or {"": [amount, points]}},
    }


def give_back(purchase, amount_minor=None, lines=()):
    taken = refunding.take(purchase, amount_minor=amount_minor, lines=tuple(lines))
    purchase |= {
        "refunded_minor": taken.refunded_minor,
        "refunded_basis_minor": taken.refunded_basis_minor,
        "refunded_lines": taken.refunded_lines,
        "clawed_back": purchase["clawed_back"] + taken.points,
    }
    return taken


@given(
    amount=st.integers(1, 100_000),
    points=st.integers(0, 5_000),
    cuts=st.lists(st.floats(0, 1), max_size=12),
)
def test_parts_add_up_to_the_whole(amount, points, cuts):
    purchase, taken = sold(amount, points), 0
    for cut in cuts:
        part = give_back(purchase, int((amount - purchase["refunded_minor"]) * cut))
        assert part.points >= 0
        taken += part.points
        assert taken == points * purchase["refunded_minor"] // amount

    taken += give_back(purchase).points

    assert taken == points
    assert purchase["refunded_basis_minor"] == amount


def test_thirds_of_a_line_are_the_whole_line():
    line = {"id": "a", "kind": "goods", "amount_minor": 1000, "quantity": 3}
    purchase = sold(1000, 10, lines=[line], shares={"a": [1000, 10]})

    taken = [give_back(purchase, lines=[ReturnLine("a", quantity=1)]) for _ in range(3)]

    assert [one.amount_minor for one in taken] == [333, 333, 334]
    assert sum(one.points for one in taken) == 10


def test_a_kept_shipping_fee_leaves_no_points_behind():
    lines = [
        {"id": "a", "kind": "goods", "amount_minor": 2000, "quantity": 1},
        {"id": "s", "kind": "shipping", "amount_minor": 500, "quantity": 1},
    ]
    purchase = sold(2500, 20, lines=lines, basis=2000, merchandise=2000, shares={"a": [2000, 20]})

    assert give_back(purchase, 2000).points == 20


def test_a_refund_by_lines_takes_the_points_of_those_lines():
    lines = [
        {"id": "cake", "kind": "goods", "amount_minor": 1000, "quantity": 1},
        {"id": "tea", "kind": "goods", "amount_minor": 1000, "quantity": 1},
    ]
    purchase = sold(2000, 30, lines=lines, shares={"cake": [1000, 20], "tea": [1000, 10]})

    assert give_back(purchase, lines=[ReturnLine("cake", quantity=1)]).points == 20
    assert give_back(purchase, 500).points == 5
    assert give_back(purchase).points == 5


def test_no_more_comes_back_than_was_paid():
    purchase = sold(1000, 10)
    give_back(purchase, 900)

    with pytest.raises(RefundExceedsPurchase):
        give_back(purchase, 200)


def test_a_basis_of_zero_gives_nothing_to_take_back_in_part():
    assert give_back(sold(1000, 5, basis=0), 500).points == 0
