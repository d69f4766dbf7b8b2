"""What a sale earns is an exact rational, rounded once, and its lines add up to it."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty import awards, plan
from loyalty.earning.base import Basket, Line

pytestmark = pytest.mark.core
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)  # a Friday
CATEGORIES = ("coffee", "bakery", "beans")


def club(*rules, rounding="floor", multiplier="1"):
    """A program with one tier, Silver, and these rules."""
    return plan.read(
        {
            "program": {
                "name": "Club",
                "points_name": "beans",
                "rounding": rounding,
                "tax": "included",
                "expiry": {"mode": "never", "months": 0, "round_to": "", "day": ""},
                "refund_policy": "negative",
                "refund_min_days_left": 30,
                "refund_return_days": 0,
                "reinstate_days": 30,
                "point_value_minor": "1",
            },
            "tiers": {
                "metric": "spend",
                "window": "lifetime",
                "days": 0,
                "first_month": 1,
                "steps": 1,
                "grace_days": 30,
                "levels": [{"name": "Silver", "at": 0, "multiplier": multiplier, "perks": []}],
            },
            "rules": [{"code": code, "kind": kind, "params": params} for code, kind, params in rules],
        },
        program_id=1,
        version=1,
        starts_at=NOON,
        timezone="UTC",
        currency="EUR",
    )


def base(points=1, per=100):
    return ("base", "per_amount", {"points": points, "per_minor": {"EUR": per}})


def basket(*amounts, currency="EUR", at=NOON):
    lines = [(Line(str(n), amount, category=CATEGORIES[n % 3]), amount) for n, amount in enumerate(amounts)]
    return Basket(currency=currency, lines=lines, local=at, tier="Silver")


def reasons(award):
    return {item["rule"]: item["code"] for item in award.why if not item["applied"]}


@given(
    amounts=st.lists(st.integers(0, 10**9), min_size=1, max_size=8),
    points=st.integers(0, 1000),
    per=st.integers(1, 10**6),
    factors=st.lists(
        st.tuples(
            st.decimals("0.01", "100", places=2), st.sampled_from([(), ("coffee",), ("bakery", "beans")])
        ),
        max_size=3,
    ),
    tier=st.decimals("1", "5", places=3),
    rounding=st.sampled_from(["floor", "half_up", "ceil"]),
)
def test_whole_numbers_say_what_fractions_say(amounts, points, per, factors, tier, rounding):
    rules = [
        (f"f{n}", "multiplier", {"factor": str(factor), "categories": list(goods)})
        for n, (factor, goods) in enumerate(factors)
    ]
    sale = basket(*amounts)

    award = awards.compute(club(base(points, per), *rules, rounding=rounding, multiplier=str(tier)), sale)

    exact = Fraction(0)
    for line, amount in sale.lines:
        worth = Fraction(points, per) * Fraction(tier) * amount
        for factor, goods in factors:
            worth *= Fraction(factor) if not goods or line.category in goods else 1
        exact += worth
    wanted = {
        "floor": exact.__floor__(),
        "ceil": exact.__ceil__(),
        "half_up": (exact + Fraction(1, 2)).__floor__(),
    }[rounding]
    assert award.points == wanted
    assert sum(points for _, points in award.line_shares.values()) == wanted
    assert all(points >= 0 for _, points in award.line_shares.values())


@given(total=st.integers(0, 10**6), weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_parts_are_whole_add_up_and_are_off_by_less_than_one(total, weights):
    parts = awards.largest_remainder(total, weights)

    assert sum(parts) == total
    if whole := sum(weights):
        assert all(
            abs(part - Fraction(total * weight, whole)) < 1
            for part, weight in zip(parts, weights, strict=True)
        )


def test_one_per_euro_of_12_99_is_12_points():
    assert awards.compute(club(base()), basket(1299)).points == 12


def test_a_currency_without_a_rate_earns_nothing_and_says_why():
    award = awards.compute(club(base()), basket(1299, currency="CZK"))

    assert award.points == 0
    assert reasons(award) == {"base": "no_rate_for_currency"}


@pytest.mark.parametrize(
    ("settings", "refusal"),
    [
        ({"from": "2026-05-02"}, "not_on_this_day"),
        ({"until": "2026-04-30"}, "not_on_this_day"),
        ({"from": "2026-05-01", "until": "2026-05-01"}, None),
        ({"weekdays": ["mon", "sat"]}, "not_on_this_weekday"),
        ({"weekdays": ["fri"]}, None),
        ({"time_from": "12:01"}, "not_at_this_time"),
        ({"time_until": "12:00"}, "not_at_this_time"),
        ({"time_from": "22:00", "time_until": "12:01"}, None),
        ({"tiers": ["Gold"]}, "not_for_this_tier"),
        ({"tiers": ["Silver", "Gold"]}, None),
        ({"stores": ["main"]}, "not_in_this_store"),
        ({"channels": ["web"]}, "not_on_this_channel"),
        ({"segments": ["vip"]}, "not_in_this_segment"),
        ({"categories": ["tea"]}, "not_on_these_goods"),
        ({"categories": ["coffee"]}, None),
        ({"min_amount_minor": 1300}, "amount_too_small"),
        ({"min_amount_minor": 1299}, None),
    ],
)
def test_a_condition_decides_and_gives_its_reason(settings, refusal):
    award = awards.compute(club(("bonus", "fixed_bonus", {"points": 5, **settings})), basket(1299))

    assert award.points == (0 if refusal else 5)
    assert reasons(award).get("bonus") == refusal


def test_a_capped_rule_gives_up_to_its_cap():
    program = club(("visit", "per_visit", {"points": 5, "cap_per_day": 2}))
    sale = basket(500)

    for times, points in ((0, 5), (1, 5), (2, 0), (3, 0)):
        sale.times = {("visit", "day"): times}
        assert awards.compute(program, sale).points == points
    assert reasons(awards.compute(program, sale)) == {"visit": "cap_per_day_reached"}


def test_of_a_group_the_best_rule_counts():
    award = awards.compute(
        club(
            base(),
            ("double", "multiplier", {"factor": "2", "group": "may"}),
            ("gift", "fixed_bonus", {"points": 30, "group": "may"}),
        ),
        basket(2000),
    )

    assert award.points == 50
    assert reasons(award) == {"double": "another_rule_of_its_group_gives_more"}


def test_factors_of_tier_and_rule_multiply_each_other():
    program = club(base(), ("double", "multiplier", {"factor": Decimal(2)}), multiplier="1.25")

    assert awards.compute(program, basket(1000)).points == 25
