"""A sale that was paid with points and comes back: so do the points, to where they came from."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.identifiers import Given
from loyalty import adjustments, balances, holds, ledger, members, programs, purchases, refunds, voids
from loyalty.calendar import Expiry
from loyalty.models.ledger import Entry, Hold, Lot
from loyalty.refunds import Return, ReturnLine
from loyalty.sale import Line, Tender
from tests.cast import NOON
from tests.loyalty.holding import give, hold, proved, stands

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def paid(cafe, rich, sale, noon):
    """`paid(60)` is a sale of 12.00 of which 6.00 were paid with 60 of Ana's points, captured for it."""

    def make(points=60, reference="R-1", customer=rich, when=noon, **more):
        made = hold(customer, points, when, f"H-{reference}")
        tenders = (Tender("points", 600, hold_id(made)), Tender("card", 600))
        said = sale(1200, reference=reference, tenders=tenders, occurred_at=when, **more)
        bought = purchases.record(merchant=cafe, sale=said, at=when)
        holds.capture(merchant=cafe, hold_id=made.hold.id, purchase_reference=reference, at=when)
        return bought

    return make


def hold_id(made):
    return made.hold.facts()["hold"]


def refund(merchant, n, amount=None, at=NOON, reference="R-1", **more):
    said = Return(f"F-{n}", at, purchase_reference=reference, amount_minor=amount, **more)
    return refunds.record(merchant=merchant, refund=said, at=at)


def named(bought):
    entries = Entry.objects.filter(purchase_id=bought.purchase_id)
    return sum(entry.points + entry.pending for entry in entries)


def test_a_full_refund_gives_all_of_them_back(cafe, rich, paid, noon):
    bought = paid()
    assert stands(rich, noon) == (46, 0, 46)

    receipt = refund(cafe, 1)

    assert (receipt.returned, receipt.clawed_back) == (60, 6)
    assert stands(rich, noon) == (100, 0, 100)
    assert named(bought) == 0
    assert Lot.objects.filter(rule="adjustment").get().remaining == 100
    assert proved(cafe)


def test_told_twice_it_gives_back_once(cafe, rich, paid, noon):
    paid()

    first, again = refund(cafe, 1), refund(cafe, 1)

    assert (again.status, again.returned) == ("replayed", first.returned)
    assert stands(rich, noon) == (100, 0, 100)


@given(parts=st.lists(st.integers(1, 1200), max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_in_whatever_parts_it_comes_back_all_is_back_in_the_end(cafe, rich, paid, noon, parts):
    test_in_whatever_parts_it_comes_back_all_is_back_in_the_end.runs += 1
    run = test_in_whatever_parts_it_comes_back_all_is_back_in_the_end.runs
    reference = f"R-{run}"
    bought, left = paid(reference=reference), 1200

    for n, part in enumerate(parts):
        amount = min(part, left)
        if amount == 0:
            break
        receipt = refund(cafe, f"{run}-{n}", amount, reference=reference)
        left -= amount
        assert Hold.objects.get(reference=f"H-{reference}").returned == 60 * (1200 - left) // 1200
        assert receipt.balance["debt"] == 0
    if left:
        refund(cafe, f"{run}-rest", reference=reference)

    assert named(bought) == 0
    assert stands(rich, noon) == (100, 0, 100)
    assert proved(cafe)


test_in_whatever_parts_it_comes_back_all_is_back_in_the_end.runs = 0


def test_shipping_that_is_kept_keeps_no_points(cafe, rich, sale, noon):
    made = hold(rich, 60, noon)
    lines = (Line("1", amount_minor=1000), Line("2", kind="shipping", amount_minor=200))
    said = sale(1200, reference="R-1", lines=lines, tenders=(Tender("points", 600, hold_id(made)),))
    purchases.record(merchant=cafe, sale=said, at=noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)

    by_line = refund(cafe, 1, lines=(ReturnLine("2", quantity=1),))
    goods = refund(cafe, 2, lines=(ReturnLine("1", amount_minor=500),))
    rest = refund(cafe, 3, lines=(ReturnLine("1", amount_minor=500),))

    assert (by_line.returned, goods.returned, rest.returned) == (0, 30, 30)
    assert proved(cafe)


def test_points_come_back_with_their_own_expiry_or_with_thirty_days(cafe, program, ana, paid, noon):
    program.expiry_mode, program.expiry_months = "age", 2
    program.save()
    programs.publish(program=program, at=noon - timedelta(days=1), by="test")
    cafe.refresh_from_db()
    ana.merchant = cafe
    give(ana, 50, noon - timedelta(hours=1), "A-8")
    lot = Lot.objects.get(points=50)
    own = Expiry("age", 2).ends(noon - timedelta(hours=1), zone=cafe.zone)
    assert lot.expires_at == own
    paid(points=50)
    Lot.objects.get(pk=lot.pk, state="closed")

    refund(cafe, 1, 600, at=noon + timedelta(days=1))
    lot.refresh_from_db()
    assert (lot.state, lot.remaining, lot.expires_at) == ("open", 25, own)

    late = own - timedelta(days=10)
    refunds.record(
        merchant=cafe, refund=Return("F-2", late, purchase_reference="R-1", amount_minor=600), at=late
    )
    sister = Lot.objects.exclude(pk=lot.pk).get(points=25)
    assert (sister.remaining, sister.expires_at) == (25, late + timedelta(days=30))
    lot.refresh_from_db()
    assert (lot.remaining, lot.expires_at) == (25, own)
    assert proved(cafe)


def test_points_that_come_back_pay_debt_first(cafe, rich, paid, noon):
    bought = paid()
    take = adjustments.adjust
    take(customer=rich, points=-66, reason="x", reference="A-9", by="test", at=noon, allow_negative=True)

    receipt = refund(cafe, 1)

    assert (receipt.balance["active"], receipt.balance["debt"]) == (34, 0)
    assert named(bought) == 0
    assert proved(cafe)


def test_they_go_back_to_whoever_paid(cafe, rich, sale, noon):
    eva = members.enroll(merchant=cafe, name="Eva", identifiers=[Given("card", "77")], at=noon, by="test")
    made = hold(rich, 60, noon)
    tenders = (Tender("points", 600, hold_id(made)),)
    said = sale(1200, reference="R-1", tenders=tenders, customer_id=eva.pk)
    bought = purchases.record(merchant=cafe, sale=said, at=noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, purchase_reference="R-1", at=noon)

    assert refund(cafe, 1).returned == 60

    assert (stands(rich, noon)[0], stands(eva, noon)[0]) == (100, 0)
    assert named(bought) == 0
    assert proved(cafe)


def test_a_hold_captured_before_its_sale_was_told_comes_back_too(cafe, rich, sale, noon):
    made = hold(rich, 60, noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)
    said = sale(1200, reference="R-1", tenders=(Tender("points", 600, hold_id(made)),))
    bought = purchases.record(merchant=cafe, sale=said, at=noon)

    assert refund(cafe, 1).returned == 60

    assert stands(rich, noon) == (100, 0, 100)
    assert named(bought) == 0
    assert proved(cafe)


def test_a_refund_that_waited_gives_them_back(cafe, rich, sale, noon):
    assert refund(cafe, 1).status == "parked"
    made = hold(rich, 60, noon)
    holds.capture(merchant=cafe, hold_id=made.hold.id, at=noon)

    said = sale(1200, reference="R-1", tenders=(Tender("points", 600, hold_id(made)),))
    purchases.record(merchant=cafe, sale=said, at=noon)

    assert stands(rich, noon) == (100, 0, 100)
    assert proved(cafe)


def test_a_void_gives_them_back(cafe, rich, paid, noon):
    bought = paid()

    voids.void(merchant=cafe, purchase_id=bought.purchase_id, reference="V-1", at=noon)

    assert stands(rich, noon) == (100, 0, 100)
    assert named(bought) == 0
    assert proved(cafe)


def test_a_refund_undone_takes_them_again(cafe, rich, paid, noon):
    bought = paid()
    refund(cafe, 1)

    refunds.undo(merchant=cafe, source="api", reference="F-1", at=noon)

    assert stands(rich, noon) == (46, 0, 46)
    assert Hold.objects.get().returned == 0
    refund(cafe, 2)
    assert stands(rich, noon) == (100, 0, 100)
    assert named(bought) == 0
    assert proved(cafe)


@pytest.mark.parametrize("ref", ["", "hld_0000000000001", "cus_0000000000001", "VOUCHER"])
def test_a_tender_that_names_no_hold_of_ours_gives_nothing_back(cafe, rich, sale, noon, ref):
    purchases.record(
        merchant=cafe, sale=sale(1200, reference="R-1", tenders=(Tender("points", 600, ref),)), at=noon
    )

    assert refund(cafe, 1).returned == 0
    assert balances.balance(merchant=cafe, customer_id=rich.pk, at=noon)["active"] == 100
    assert list(ledger.differences()) == []


def test_anothers_hold_gives_nothing_back(cafe, rich, bar_nilo, bo, sale, noon):
    give(bo, 100, noon, "A-1")
    made = hold(bo, 60, noon)
    holds.capture(merchant=bar_nilo, hold_id=made.hold.id, at=noon)
    said = sale(1200, reference="R-1", tenders=(Tender("points", 600, hold_id(made)),))
    purchases.record(merchant=cafe, sale=said, at=noon)

    assert refund(cafe, 1).returned == 0
    assert stands(bo, noon) == (40, 0, 40)
