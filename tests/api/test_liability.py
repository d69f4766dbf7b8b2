"""The liability report at the API: points tie to the ledger, money to the journal, and nobody reads another's."""

from datetime import timedelta

import pytest

from lib import db
from loyalty import adjustments, customer_days, purchases
from tests.api.conftest import V1
from tests.rewards.conftest import put_up

pytestmark = pytest.mark.core
URL = f"{V1}/reports/liability"


@pytest.fixture
def busy(cafe, ana, program, sale, noon, till):
    """In April 200 points; in May 300 more, 100 redeemed, 20 given by hand. A point costs half a cent."""
    program.point_cost_minor = "0.5"
    program.save()
    april = noon - timedelta(days=10)
    purchases.record(merchant=cafe, sale=sale(20_000, occurred_at=april), at=april)
    purchases.record(merchant=cafe, sale=sale(30_000), at=noon)
    adjustments.adjust(customer=ana, points=20, reason="kind", reference="A-1", at=noon, by="test")
    adjustments.adjust(customer=ana, points=-100, reason="spent", reference="A-2", at=noon, by="test")
    for _ in customer_days.rebuild(merchant=cafe, at=noon):
        pass
    return cafe


def test_a_period_leads_from_the_opening_to_the_closing_balance(till, busy):
    said = till.get(f"{URL}?from=2026-05-01&until=2026-05-31").json()

    lines = {one["line"]: one["points"] for one in said["lines"] if one["points"]}
    assert said["opening"]["points"] == 200
    assert lines == {"issued": 300, "adjusted": -80}
    assert said["closing"]["points"] == 420
    assert said["worth_at_end"]["outstanding"] == 420
    assert [(one["month"], one["outstanding"]) for one in said["months"]] == [
        ("2026-04", 100),
        ("2026-05", 320),
    ]


def test_a_redemption_is_used_at_cost(till, cafe, ana, program, sale, noon):
    put_up(program, cost=100)
    purchases.record(merchant=cafe, sale=sale(30_000), at=noon)
    spent = till.post(
        f"{V1}/redemptions", {"customer": ana.public_id, "reward": "espresso", "reference": "X-1"}
    )
    assert spent.status_code == 201

    said = till.get(f"{URL}?from=2026-05-01&until=2100-01-01").json()

    lines = {one["line"]: one["points"] for one in said["lines"] if one["points"]}
    assert lines == {"issued": 300, "redeemed": -100}
    assert (said["closing"]["points"], said["worth_at_end"]["outstanding"]) == (200, 200)
    cost = {
        one["text"]: (one["debit"], one["credit"], one["amount_minor"]) for one in said["journal"]["cost"]
    }
    assert cost["points_redeemed"] == ("provision_for_points", "rewards_given", 100)
    owed = said["worth_at_end"]["liability_minor"]
    assert cost["points_provided"] == ("loyalty_expense", "provision_for_points", owed + 100)


def test_the_journal_leads_from_one_deferred_balance_to_the_next(till, busy):
    said = till.get(f"{URL}?from=2026-05-01&until=2026-05-31").json()

    booked = sum(
        one["amount_minor"] if one["credit"] == "contract_liability" else -one["amount_minor"]
        for one in said["journal"]["ifrs15"]
    )
    before, after = (said[name]["deferred_minor"] for name in ("worth_at_start", "worth_at_end"))
    assert before > 0
    assert before + booked == after


def test_a_program_that_never_gave_a_point(till):
    said = till.get(URL).json()

    assert said["closing"] == {"points": 0, "pending": 0}
    assert said["worth_at_end"]["redemption_rate"] is None
    assert said["months"] == [] == said["journal"]["cost"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("from=yesterday", "/query/from"),
        ("from=2026-05-02&until=2026-05-01", "/query/until"),
        ("program=nothing", "/query/program"),
    ],
)
def test_what_makes_no_sense_is_named(till, query, pointer):
    answer = till.get(f"{URL}?{query}")

    assert answer.status_code in (400, 404, 422)
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_another_merchants_program_is_not_found(outsider_till, busy, program):
    assert outsider_till.get(f"{URL}?program={program.public_id}").status_code == 404
    assert outsider_till.get(URL).json()["closing"]["points"] == 0


def test_it_takes_the_same_statements_however_much_there_is(till, cafe, ana, noon):
    def statements():
        with db.watching() as watch:
            assert till.get(URL).status_code == 200
        return watch.statements

    statements()  # the key is known from here on
    few = statements()
    for number in range(20):
        adjustments.adjust(
            customer=ana,
            points=5,
            reason="kind",
            reference=f"A-{number}",
            at=noon + timedelta(days=40 * number),
            by="t",
        )
    assert statements() == few
