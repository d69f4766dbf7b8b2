"""What points are worth, by hand: cohorts, the cost method, IFRS 15, and the journal lines that follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights import breakage, journal, liability
from insights.liability import Economics, Position
from insights.points import Cohort

CENT = Economics(value_minor=1.0, cost_minor=0.5, prior=0.8)


def test_what_happened_after_a_month_was_not_known_then():
    cohorts = [Cohort(100, 0, 1000, 100, 0), Cohort(100, 2, 0, 300, 50), Cohort(102, 0, 500, 0, 0)]

    now = liability.triangle(cohorts, until=102)
    then = now.at_end_of(101)

    assert now.first == 100
    assert (now.issued.sum(), now.redeemed.sum(), now.expired.sum()) == (1500, 400, 50)
    assert (then.issued.sum(), then.redeemed.sum(), then.expired.sum()) == (1000, 100, 0)
    assert liability.triangle(cohorts, until=101).redeemed.tolist() == then.redeemed.tolist()


def test_nothing_issued_is_nothing_owed():
    known = liability.triangle([], until=100)

    found = liability.estimate(known)

    assert (found.months, found.rate, found.outstanding, found.coming) == ([], None, 0, 0)
    assert liability.position(known, deferred={}, economics=CENT) == Position(0, 0)
    assert liability.estimate(known.at_end_of(50)).months == []


def test_a_first_month_is_worth_the_prior_at_cost():
    known = liability.triangle([Cohort(100, 0, 1000, 200, 0)], until=100)

    found = liability.estimate(known, prior=CENT.prior)

    assert found.is_early
    assert (found.outstanding, found.coming, found.breakage) == (800, 600, 200)
    assert liability.cost(found, CENT) == 300


def test_nobody_redeems_what_has_expired():
    known = liability.triangle([Cohort(100, 0, 1000, 200, 750)], until=100)

    assert liability.estimate(known, prior=0.8).coming == 50


def test_the_example_of_the_standard_over_two_months():
    """
    IFRS 15, example 52: 100,000 of goods, 10,000 points worth 1 each, 9,500 expected. 8,676 is deferred; 4,500 points
    are redeemed in the first month. Then 9,700 are expected and 8,500 redeemed: a catch-up.
    """
    unit = Economics(value_minor=1.0, cost_minor=1.0, prior=0.95)
    first = [Cohort(100, 0, 10_000, 4_500, 0)]
    known = liability.triangle(first, until=100)
    deferred = liability.deferrals(known, revenue={100: 100_000}, economics=unit)
    opening = liability.position(known, deferred=deferred, economics=unit)

    assert deferred[100] == pytest.approx(8_676, abs=0.5)
    assert opening == Position(8_676, 4_110)

    later = liability.triangle([*first, Cohort(100, 1, 0, 4_000, 300)], until=101)
    assert liability.estimate(later, prior=0.95).months[0].outstanding == 1_200
    closing = liability.position(later, deferred=deferred, economics=unit)
    assert closing.deferred_minor == 8_676
    assert journal.deferred(opening, closing) == [
        journal.Line("points_redeemed", "contract_liability", "revenue", closing.recognized_minor - 4_110)
    ]


def test_a_price_is_shared_once_by_what_was_expected_then():
    """How much of the month is redeemed later changes when revenue is recognized, not what was deferred."""
    first = [Cohort(100, 0, 1000, 100, 0)]
    then = liability.deferrals(liability.triangle(first, until=100), revenue={100: 50_000}, economics=CENT)
    now = liability.deferrals(
        liability.triangle([*first, Cohort(100, 1, 0, 900, 0)], until=101),
        revenue={100: 50_000},
        economics=CENT,
    )

    assert then[100] == now[100] == breakage.deferred(price=50_000, points_value=800)


def test_when_no_point_is_left_all_is_revenue():
    known = liability.triangle([Cohort(100, 0, 1000, 0, 0), Cohort(100, 1, 0, 0, 1000)], until=101)

    found = liability.position(known, deferred={100: 500.0}, economics=CENT)

    assert (found.deferred_minor, found.balance_minor) == (500, 0)


def test_lines_of_the_cost_method():
    lines = journal.provided(opening_minor=1000, closing_minor=1500, used_minor=300)

    assert lines == [
        journal.Line("points_redeemed", "provision_for_points", "rewards_given", 300),
        journal.Line("points_provided", "loyalty_expense", "provision_for_points", 800),
    ]


def test_a_provision_that_was_too_large_is_turned_round():
    assert journal.provided(opening_minor=1000, closing_minor=200, used_minor=0) == [
        journal.Line("points_provided", "provision_for_points", "loyalty_expense", 800)
    ]


COHORTS = st.lists(
    st.builds(
        Cohort,
        month=st.integers(100, 108),
        age=st.integers(0, 8),
        issued=st.integers(-50, 1000),
        redeemed=st.integers(-50, 400),
        expired=st.integers(0, 200),
    ),
    max_size=30,
)


@given(cohorts=COHORTS, month=st.integers(98, 108), sold=st.integers(-100, 10**6))
def test_whatever_happened_the_journal_leads_from_one_balance_to_the_next(cohorts, month, sold):
    known = liability.triangle(cohorts, until=108)
    cut = known.at_end_of(month)
    deferred = liability.deferrals(known, revenue=dict.fromkeys(range(100, 109), sold), economics=CENT)
    opening, closing = (liability.position(one, deferred=deferred, economics=CENT) for one in (cut, known))

    booked = 0
    for line in journal.deferred(opening, closing):
        assert line.amount_minor > 0
        booked += line.amount_minor if line.credit == journal.CONTRACT else -line.amount_minor
    assert opening.balance_minor + booked == closing.balance_minor
    assert 0 <= closing.recognized_minor <= closing.deferred_minor
    found = liability.estimate(known, prior=0.8)
    assert all(0 <= one.coming <= max(one.outstanding, 0) for one in found.months)
