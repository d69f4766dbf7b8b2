"""Fits against the published tables, against finite differences, and against customers made up by the model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insights import buying
from insights.buying import Buyers, TooFew

MODELS = ["bg_nbd", "mbg_nbd", "nbd"]


def shop(seed, customers, *, r=0.5, alpha=40.0, a=0.8, b=2.5, days=500):
    """Customers who buy as the BG/NBD says they do."""
    random = np.random.default_rng(seed)
    age = random.integers(30, days, customers).astype(float)
    rate, leaves = random.gamma(r, 1 / alpha, customers), random.beta(a, b, customers)
    x, last = np.zeros(customers), np.zeros(customers)
    here = np.arange(customers)
    while len(here):
        bought = last[here] + np.ceil(random.exponential(1 / np.maximum(rate[here], 1e-12)))
        in_time = bought <= age[here]
        here, bought = here[in_time], bought[in_time]
        last[here], x[here] = bought, x[here] + 1
        here = here[random.random(len(here)) >= leaves[here]]
    return Buyers.of(x, last, age)


@pytest.fixture(scope="module")
def weeks(summary):
    return Buyers.of(summary.x, summary.t_x / 7, summary.T / 7)


def test_the_published_table_of_cdnow_comes_out(weeks):
    model = buying.fit("bg_nbd", weeks)

    assert model.customers == 2357
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=2e-3)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    assert model.has_lapse_signal


def test_days_and_weeks_give_one_model(weeks, summary):
    days = buying.fit("bg_nbd", Buyers.of(summary.x, summary.t_x, summary.T))
    week = buying.fit("bg_nbd", weeks)

    assert days.alpha == pytest.approx(7 * week.alpha, rel=1e-4)
    assert (days.r, days.a, days.b) == pytest.approx((week.r, week.a, week.b), rel=1e-4)


def test_the_next_39_weeks_are_expected_as_by_others(weeks):
    model = buying.fit("bg_nbd", weeks)

    coming = buying.expected(model, weeks, 39.0).sum()

    assert coming == pytest.approx(1653.4, rel=1e-3)  # 1,882 came


def test_one_customer_of_the_paper(weeks):
    """Customer 1 of the published spreadsheet: x = 2, t_x = 30.43, T = 38.86 is expected to buy 1.226 times."""
    model = buying.fit("bg_nbd", weeks)

    assert buying.expected(model, Buyers.of([2], [30.43], [38.86]), 39.0)[0] == pytest.approx(1.226, abs=2e-3)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("prior", [False, True])
def test_the_gradient_is_that_of_the_likelihood(name, prior):
    some = shop(1, 300)
    likelihood = buying._Likelihood(name, some.x, some.t_x, some.T, some.count, prior=prior)
    at = np.log([0.4, 30.0, 1.3, 2.0])[: likelihood.size]

    value, gradient = likelihood(at)

    for place, unit in enumerate(np.eye(likelihood.size)):
        slope = (likelihood(at + 1e-6 * unit)[0] - likelihood(at - 1e-6 * unit)[0]) / 2e-6
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-4)
    assert np.isfinite(value)


@pytest.mark.parametrize("name", MODELS)
def test_no_other_parameters_are_likelier(name):
    some = shop(2, 3000)
    model = buying.fit(name, some)
    found = np.log([model.r, model.alpha] if name == "nbd" else [model.r, model.alpha, model.a, model.b])
    likelihood = buying._Likelihood(name, some.x, some.t_x, some.T, some.count, prior=False)
    best = likelihood.of_data(found)

    assert -best == pytest.approx(model.log_likelihood, rel=1e-9)
    random = np.random.default_rng(3)
    for _ in range(200):
        assert likelihood.of_data(found + random.normal(0, 0.05, len(found))) >= best - 1e-6


def test_what_made_the_customers_is_found_again():
    model = buying.fit("bg_nbd", shop(4, 60_000))

    # Purchases fall on whole days here, which the model does not know: a few per cent remain.
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.5, 40.0, 0.8, 2.5), rel=0.08)


def test_folding_equal_customers_changes_nothing():
    some = shop(5, 4000)
    whole = [getattr(some, name)[some.index] for name in ("x", "t_x", "T")]
    unfolded = Buyers(*whole, np.ones(4000), np.arange(4000))
    assert len(some.x) < 4000

    one, other = buying.fit("mbg_nbd", some), buying.fit("mbg_nbd", unfolded)

    assert one.log_likelihood == pytest.approx(other.log_likelihood, rel=1e-9)
    assert buying.expected(one, some, 30.0) == pytest.approx(buying.expected(one, unfolded, 30.0))


def test_who_bought_once_may_be_gone_in_the_mbg_nbd_only():
    once = Buyers.of([0, 0], [0, 0], [10, 400])
    some = shop(6, 2000)

    assert list(buying.alive(buying.fit("bg_nbd", some), once)) == [1.0, 1.0]
    soon, late = buying.alive(buying.fit("mbg_nbd", some), once)
    assert 0 < late < soon < 1


def test_expectations_grow_with_time_and_never_beyond_the_rate():
    some = shop(7, 2000)
    model = buying.fit("mbg_nbd", some)

    by_length = buying.expected(model, some, [1.0, 30.0, 365.0])
    rate = ((model.r + some.x) / (model.alpha + some.T))[some.index]

    assert (np.diff(by_length, axis=1) >= 0).all()
    assert (by_length[:, 2] <= rate * 365 + 1e-9).all()
    assert (buying.active(model, some, 365.0) <= by_length[:, 2] + 1e-9).all()


def test_expectations_pass_smoothly_over_the_hole_of_the_formula():
    some = shop(8, 500)
    model = buying.fit("mbg_nbd", some)

    def at(a):
        moved = buying.Model(model.name, model.r, model.alpha, a, model.b, 0.0, 500)
        return buying.expected(moved, some, 90.0)

    assert at(1.0) == pytest.approx((at(0.999) + at(1.001)) / 2, rel=1e-4)


def test_without_anybody_leaving_there_is_no_lapse_signal():
    model = buying.fit("mbg_nbd", shop(9, 4000, a=0.001, b=900.0))

    assert not model.has_lapse_signal or model.a / (model.a + model.b) < 0.01


@pytest.mark.parametrize("customers", [50, 80, 200])
def test_small_shops_are_fitted_under_the_prior_without_running_away(customers):
    for seed in range(20):
        some = shop(100 + seed, customers)
        try:
            model = buying.fit("mbg_nbd", some, prior=True)
        except TooFew:
            continue
        assert not model.is_at_edge
        assert np.isfinite(buying.expected(model, some, 365.0)).all()


def test_too_few_customers_have_no_forecast():
    with pytest.raises(TooFew):
        buying.fit("bg_nbd", Buyers.of([1] * 49, [5] * 49, [10] * 49))
    with pytest.raises(TooFew):
        buying.fit("bg_nbd", Buyers.of([1] * 19 + [0] * 100, [5] * 19 + [0] * 100, [10] * 119))
    with pytest.raises(TooFew):
        buying.fit("bg_nbd", Buyers.of([], [], []))


@pytest.mark.parametrize(
    "said",
    [
        ([1], [5], [4]),
        ([-1], [0], [4]),
        ([1], [float("nan")], [4]),
        ([0.5], [1], [4]),
        ([0], [1], [4]),
        ([1, 2], [1], [4]),
    ],
)
def test_what_cannot_be_is_refused(said):
    with pytest.raises(ValueError):
        Buyers.of(*said)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 400), st.integers(0, 400)), min_size=50, max_size=120
    ),
    prior=st.booleans(),
    name=st.sampled_from(MODELS),
)
def test_no_shop_gives_nonsense(rows, prior, name):
    x = np.array([row[0] for row in rows], float)
    age = np.array([max(row[1:]) for row in rows], float)
    t_x = np.where(x > 0, [min(row[1:]) for row in rows], 0.0)
    if age.max() == 0:
        age[0] = 1.0
    some = Buyers.of(x, t_x, age)
    try:
        model = buying.fit(name, some, prior=prior)
    except TooFew:
        return

    for figure in (buying.alive(model, some), buying.active(model, some, 30.0)):
        assert ((figure >= 0) & (figure <= 1)).all()
    coming = buying.expected(model, some, 30.0)
    assert np.isfinite(coming).all()
    assert (coming >= 0).all()
