"""From purchase days to value: published figures, honest small shops, and forecasts against what came."""

import numpy as np
import pytest

from insights import accuracy, buying, clv, spending
from insights.buying import Buyers


def test_the_published_spending_of_cdnow_comes_out(cdnow):
    paid = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)

    found = spending.fit(paid.x, paid.m)

    assert (found.p, found.q, found.v) == pytest.approx((6.25, 3.74, 15.44), rel=2e-3)
    assert found.customers == 946
    assert found.is_model
    assert not found.is_correlated


def test_the_gradient_of_spending_is_that_of_the_likelihood():
    random = np.random.default_rng(1)
    often = random.integers(1, 9, 200).astype(float)
    likelihood = spending._Likelihood(often, random.gamma(3, 1, 200), prior=True)
    at = np.log([3.0, 2.5, 4.0])

    _value, gradient = likelihood(at)

    for place, unit in enumerate(np.eye(3)):
        slope = (likelihood(at + 1e-6 * unit)[0] - likelihood(at - 1e-6 * unit)[0]) / 2e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_a_mean_of_few_purchases_is_drawn_to_that_of_all(cdnow):
    paid = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    found = spending.fit(paid.x, paid.m)

    once, twice, often, never = spending.expected(found, [1, 2, 50, 0], [100, 100, 100, 0])

    assert never < once < twice < often < 100.5


def test_the_papers_customer_and_summary(cdnow):
    paid = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    first = list(paid.customers).index(1)

    assert (paid.x[first], paid.t_x[first], paid.T[first]) == (2, 213, 272)
    assert paid.m[first] == pytest.approx(22.35, abs=0.01)


def test_rows_after_the_day_are_not_known_yet(cdnow):
    early = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=30)

    assert early.T.max() == 30
    assert early.x.sum() == sum((cdnow.day <= 30) & (cdnow.spent > 0)) - len(early.x)


def test_a_forecast_of_cdnow_is_near_what_came(cdnow):
    then = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    now = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=545)
    came = dict(zip(now.customers, now.x, strict=True))
    actual = np.array([came[customer] for customer in then.customers]) - then.x

    found = clv.forecast(x=then.x, t_x=then.t_x, T=then.T, m=then.m, lapse_days=90)
    said = buying.expected(found.model, Buyers.of(then.x, then.t_x, then.T), 273.0)
    judged = accuracy.measure(actual=actual, forecast=said)
    by_history = accuracy.measure(actual=actual, forecast=(then.x + 1) / (then.T + 1) * 273)

    assert found.status == "forecast"
    assert abs(judged.total_error) < 0.2 < abs(by_history.total_error)
    assert judged.rmse < by_history.rmse
    assert judged.gini > 0.6
    assert [mean for mean, _ in judged.deciles] == sorted(mean for mean, _ in judged.deciles)


def test_value_is_margin_spend_and_discounted_purchases(cdnow):
    then = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    same = {"x": then.x, "t_x": then.t_x, "T": then.T, "m": then.m, "lapse_days": 90}

    undiscounted = clv.forecast(**same, margin=0.5, annual_discount=0.0)
    discounted = clv.forecast(**same, margin=0.5, annual_discount=0.1)

    assert undiscounted.value == pytest.approx(0.5 * undiscounted.spend * undiscounted.purchases)
    assert (discounted.value < undiscounted.value).all()
    assert (discounted.value > undiscounted.value / 1.1).all()


def test_those_worth_a_message_are_neither_safe_nor_gone(cdnow):
    then = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    found = clv.forecast(x=then.x, t_x=then.t_x, T=then.T, m=then.m, lapse_days=90)

    chosen = found.worth_a_message

    assert len(chosen)
    assert ((found.at_risk[chosen] >= 0.5) & (found.at_risk[chosen] <= 0.95)).all()
    assert (np.diff(found.at_stake[chosen]) <= 0).all()


def test_fewer_than_500_buyers_make_an_early_estimate(cdnow):
    then = clv.summarize(cdnow.who, cdnow.day, cdnow.spent, until=272)
    few = slice(0, 300)

    found = clv.forecast(x=then.x[few], t_x=then.t_x[few], T=then.T[few], m=then.m[few], lapse_days=90)

    assert found.status == "early"
    assert np.isfinite(found.value).all()


HARD = {
    "nobody": ([], [], []),
    "one customer": ([1] * 3, [0, 5, 9], [10.0, 10, 10]),
    "nobody came back": (range(100), [3] * 100, [10.0] * 100),
    "the same day again": ([1] * 5 + list(range(2, 90)), [4] * 5 + [4] * 88, [10.0] * 93),
    "refunds above purchases": ([*range(60), *range(60)], [1] * 60 + [5] * 60, [10.0] * 60 + [-20.0] * 60),
    "a single week": ([*range(80)] * 3, [day for day in (0, 3, 6) for _ in range(80)], [10.0] * 240),
}


@pytest.mark.parametrize("name", HARD)
def test_bad_data_gives_a_status_and_never_nonsense(name):
    who, day, spent = HARD[name]
    folded = clv.summarize(who, day, spent, until=30)

    found = clv.forecast(x=folded.x, t_x=folded.t_x, T=folded.T, m=folded.m, lapse_days=30)

    for figures in (found.alive, found.at_risk, found.purchases, found.spend, found.value, found.at_stake):
        assert np.isfinite(figures).all()
        assert (figures >= 0).all()
    assert found.status in ("history_only", "early")


def test_what_a_unit_of_spend_leaves():
    left = clv.net_margin(gross=0.4, point_cost=0.6, points_per_unit=0.05, redeemed=0.8)

    assert left == pytest.approx(0.4 - 0.024)


def test_a_perfect_ranking_has_gini_one_and_chance_none():
    perfect = accuracy.measure(actual=[0, 1, 2, 3], forecast=[0, 1, 2, 3])
    blind = accuracy.measure(actual=[0, 1, 2, 3], forecast=[1, 1, 1, 1])
    upside_down = accuracy.measure(actual=[0, 1, 2, 3], forecast=[3, 2, 1, 0])

    assert perfect.gini == pytest.approx(1.0)
    assert perfect.total_error == 0
    assert blind.gini == pytest.approx(0.0)
    assert upside_down.gini == pytest.approx(-1.0)
    assert accuracy.measure(actual=[0, 0], forecast=[1, 2]).gini is None
    assert accuracy.measure(actual=[0, 0], forecast=[1, 2]).total_error is None
