"""Points that one customer gives to another."""

from datetime import timedelta

import pytest

from customers import people
from customers.identifiers import Given
from customers.models import Touchpoint
from lib.errors import ReferenceReused
from loyalty import (
    adjustments,
    balances,
    ledger,
    members,
    merges,
    programs,
    purchases,
    refunds,
    transfers,
)
from loyalty.ledger import AccountInDebt, NotEnoughPoints
from loyalty.refunds import Return
from loyalty.sale import Sale
from tests.cast import NOON

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def eva(cafe, noon):
    return members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")


@pytest.fixture
def allow(program):
    def act(**more):
        program.extras = {"transfers": {"allowed": True, **more}}
        program.save()

    return act


@pytest.fixture
def rich(cafe, ana, allow):
    """Ana has 100 points, and the program lets her give them away."""
    allow()
    sale = Sale("R-1", "EUR", 100_00, NOON, customer_id=ana.pk)
    purchases.record(merchant=cafe, sale=sale, at=NOON)


def send(source, target, points, reference="T-1", at=NOON):
    return transfers.transfer(
        source=source, target=target, points=points, reference=reference, by="till", at=at
    )


def has(customer):
    said = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=NOON)
    return said["active"], said["debt"]


def test_points_go_from_one_to_the_other(ana, eva, rich):
    done = send(ana, eva, 30)

    assert (done.status, done.balance["active"]) == ("created", 70)
    assert (has(ana), has(eva)) == ((70, 0), (30, 0))
    kinds = [entry.kind for entry in ledger.entries(merchant_id=ana.merchant_id).order_by("id")]
    assert kinds == ["earn", "transfer_out", "transfer_in"]
    assert Touchpoint.objects.filter(kind="points.received", customer=eva).count() == 1
    assert balances.balance(merchant=eva.merchant, customer_id=eva.pk, at=NOON)["lifetime_earned"] == 0
    assert list(ledger.differences()) == []


def test_told_twice_they_go_once(ana, eva, rich):
    first, again = send(ana, eva, 30), send(ana, eva, 30)

    assert (first.status, again.status) == ("created", "replayed")
    assert (again.transfer_id, has(eva)) == (first.transfer_id, (30, 0))


def test_another_transfer_with_the_reference_is_refused(ana, eva, rich):
    send(ana, eva, 30)

    with pytest.raises(ReferenceReused) as said:
        send(eva, ana, 31)
    assert [fault.pointer for fault in said.value.faults] == ["/source", "/target", "/points"]


def test_told_again_after_a_merge_it_is_the_same(cafe, ana, eva, rich):
    send(ana, eva, 30)
    zoe = members.enroll(merchant=cafe, name="Zoe", identifiers=[Given("card", "88")], at=NOON, by="test")
    merges.merge(source=eva, target=zoe, reason="one person", at=NOON, by="owner")

    assert send(ana, eva, 30).status == "replayed"


def test_points_keep_their_dates(cafe, ana, eva, program, allow):
    program.expiry_mode, program.expiry_months = "age", 1
    program.save()
    allow()
    programs.publish(program=program, at=NOON - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = eva.merchant = cafe
    for day in (0, 5):
        sale = Sale(f"R-{day}", "EUR", 50_00, NOON + timedelta(days=day), customer_id=ana.pk)
        purchases.record(merchant=cafe, sale=sale, at=sale.occurred_at)
    later = NOON + timedelta(days=6)
    before = balances.balance(merchant=cafe, customer_id=ana.pk, at=later)["expiring"]

    send(ana, eva, 60, at=later)

    after = balances.balance(merchant=cafe, customer_id=eva.pk, at=later)["expiring"]
    assert [one["at"] for one in after] == [one["at"] for one in before]
    assert [one["points"] for one in after] == [50, 10]


def test_what_is_sent_pays_what_the_other_owes(ana, eva, rich):
    adjustments.adjust(
        customer=eva, points=-20, reason="x", reference="A-1", by="test", at=NOON, allow_negative=True
    )

    send(ana, eva, 30)

    assert has(eva) == (10, 0)
    assert list(ledger.differences()) == []


def test_a_refund_of_what_was_given_away_is_the_givers(cafe, ana, eva, rich):
    send(ana, eva, 100)

    refunds.record(merchant=cafe, refund=Return("F-1", NOON, purchase_reference="R-1"), at=NOON)

    assert (has(ana), has(eva)) == ((0, 100), (100, 0))
    assert list(ledger.differences()) == []


def test_only_what_is_there_can_be_sent(ana, eva, rich):
    with pytest.raises(NotEnoughPoints):
        send(ana, eva, 101)
    adjustments.adjust(
        customer=ana, points=-101, reason="x", reference="A-1", by="test", at=NOON, allow_negative=True
    )
    with pytest.raises(AccountInDebt):
        send(ana, eva, 1)


def test_where_the_program_does_not_allow_it_nothing_is_sent(cafe, ana, eva, rich, program, allow):
    allow(allowed=False)
    with pytest.raises(transfers.NotAllowed):
        send(ana, eva, 1)
    program.extras = {}
    program.save()
    with pytest.raises(transfers.NotAllowed):
        send(ana, eva, 1)


def test_no_more_in_a_month_than_the_program_allows(cafe, ana, eva, rich, allow):
    allow(max_per_month=50)
    send(ana, eva, 30)

    with pytest.raises(transfers.TooMany):
        send(ana, eva, 21, "T-2")
    assert send(ana, eva, 20, "T-3").status == "created"
    next_month = NOON.replace(month=6, day=1)
    assert send(ana, eva, 50, "T-4", at=next_month).status == "created"


def test_nobody_sends_to_themselves_or_a_blocked_one(cafe, ana, eva, rich):
    with pytest.raises(transfers.SameCustomer):
        send(ana, ana, 1)
    people.block(customer=eva, at=NOON, by="test", reason="theft")
    with pytest.raises(transfers.IsBlocked) as said:
        send(ana, eva, 1)
    assert said.value.faults[0].pointer == "/target"
