"""What a balance costs to read: sums of lots by date, and the lots themselves only where something is due."""

from datetime import timedelta

import pytest

from customers.identifiers import Given
from lib import db
from loyalty import balances, members, programs, purchases

pytestmark = pytest.mark.core


@pytest.fixture
def waits(cafe, program, noon):
    """The café's points wait a day and are gone after a month."""
    rule = program.rules.get()
    rule.params |= {"pending_days": 1}
    rule.save()
    program.expiry_mode, program.expiry_months = "age", 1
    program.save()
    programs.publish(program=program, at=noon - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    return cafe


def buy(cafe, sale, noon, *, many):
    for number in range(many):
        purchases.record(merchant=cafe, sale=sale(1000, reference=f"R-{number}"), at=noon)


def test_many_lots_are_read_as_one_sum_of_each_date(waits, ana, sale, noon):
    buy(waits, sale, noon, many=5)
    balances.balance(merchant=waits, customer_id=ana.pk, at=noon)  # the program is read once

    with db.watching() as watch:
        read = balances.balance(merchant=waits, customer_id=ana.pk, at=noon)

    assert read["activating"] == [{"points": 50, "at": noon + timedelta(days=1)}]
    assert read["expiring"] == []
    assert watch.statements == 1
    assert "SUM(l.remaining)" in watch.texts[0]


def test_what_is_due_is_done_in_a_second_statement(waits, ana, sale, noon):
    buy(waits, sale, noon, many=3)
    later = noon + timedelta(days=2)
    balances.balance(merchant=waits, customer_id=ana.pk, at=noon)

    with db.watching() as watch:
        read = balances.balance(merchant=waits, customer_id=ana.pk, at=later)

    assert (read["active"], read["pending"], read["activating"]) == (30, 0, [])
    assert [one["points"] for one in read["expiring"]] == [30]
    assert watch.statements == 2


def test_one_of_many_where_something_is_due_reads_as_if_alone(waits, ana, sale, noon):
    eva = members.enroll(
        merchant=waits, name="Eva", identifiers=[Given("email", "eva@example.com")], at=noon, by="test"
    )
    buy(waits, sale, noon, many=2)
    later = noon + timedelta(days=2)
    purchases.record(
        merchant=waits, sale=sale(700, reference="E-1", customer_id=eva.pk, occurred_at=later), at=later
    )

    both = balances.of_many(merchant=waits, customers=[ana.pk, eva.pk], at=later)

    assert both == {
        one.pk: balances.balance(merchant=waits, customer_id=one.pk, at=later) for one in (ana, eva)
    }
    assert (both[ana.pk]["active"], both[eva.pk]["pending"]) == (20, 7)
