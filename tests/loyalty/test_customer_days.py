"""What a customer was worth on a day: made from the facts, so it always agrees with them."""

from datetime import date, timedelta

import pytest
from django.db import connection

from customers import changes
from customers.identifiers import Given
from lib import db
from loyalty import customer_days, members, merges, purchases, refunds, voids
from loyalty.earning.base import Line, Tender
from loyalty.models import RevenueDay
from loyalty.refunds import Return, ReturnLine
from loyalty.sale import Sale

pytestmark = pytest.mark.core


def days(merchant):
    rows = RevenueDay.objects.filter(merchant_id=merchant.pk).order_by("customer_id", "day")
    return [(row.customer_id, row.day, row.orders, row.net_revenue_minor, row.refunds_minor) for row in rows]


@pytest.fixture
def sell(cafe, ana, noon):
    def record(reference, amount, at=noon, **more):
        sale = Sale(
            reference=reference,
            currency="EUR",
            amount_minor=amount,
            occurred_at=at,
            customer_id=ana.pk,
            **more,
        )
        return purchases.record(merchant=cafe, sale=sale, at=at)

    return record


def catch_up(at):
    while changes.follow(at=at):
        pass


DAY = date(2026, 5, 1)


def test_a_sale_counts_on_its_local_day(cafe, ana, sell, noon):
    late = noon.replace(hour=23, minute=30)  # half past midnight in Lisbon
    sell("R-1", 1000)
    sell("R-2", 500, at=late)

    catch_up(late)

    assert days(cafe) == [(ana.pk, DAY, 1, 1000, 0), (ana.pk, DAY + timedelta(days=1), 1, 500, 0)]


def test_tax_shipping_and_what_points_paid_are_not_worth(cafe, ana, sell, noon):
    lines = (
        Line("1", 1230, tax_minor=230),
        Line("2", 500, kind="shipping", tax_minor=93),
    )
    sell("R-1", 1730, lines=lines, tenders=(Tender("points", 615), Tender("card", 1115)))

    catch_up(noon)

    assert days(cafe) == [(ana.pk, DAY, 1, 500, 0)]


def test_tax_is_out_also_where_it_earns_points(cafe, ana, sell, noon, program):
    from loyalty import programs

    program.tax = "included"
    program.save()
    programs.publish(program=program, at=noon - timedelta(hours=1), by="test")
    sell("R-1", 1230, tax_minor=230)

    catch_up(noon)

    assert days(cafe) == [(ana.pk, DAY, 1, 1000, 0)]


def test_a_refund_counts_on_its_own_day(cafe, ana, sell, noon):
    sell("R-1", 1000)
    tomorrow = noon + timedelta(days=1)
    refunds.record(
        merchant=cafe,
        refund=Return(reference="F-1", occurred_at=tomorrow, purchase_reference="R-1", amount_minor=400),
        at=tomorrow,
    )

    catch_up(tomorrow)

    assert days(cafe) == [(ana.pk, DAY, 1, 1000, 0), (ana.pk, DAY + timedelta(days=1), 0, -400, 400)]


def test_partial_refunds_add_up_to_the_sale_also_with_tax(cafe, ana, sell, noon, program):
    from loyalty import programs

    program.tax = "included"
    program.save()
    programs.publish(program=program, at=noon - timedelta(hours=1), by="test")
    sell("R-1", 1000, lines=(Line("1", 1000, quantity=3, tax_minor=187),))
    for number in range(3):
        back = Return(
            reference=f"F-{number}",
            occurred_at=noon,
            purchase_reference="R-1",
            lines=(ReturnLine("1", quantity=1),),
        )
        refunds.record(merchant=cafe, refund=back, at=noon)

    catch_up(noon)

    assert days(cafe) == [(ana.pk, DAY, 0, 0, 813)]


def test_a_void_leaves_nothing(cafe, ana, sell, noon):
    sold = sell("R-1", 1000)
    catch_up(noon)
    assert days(cafe)

    voids.void(merchant=cafe, purchase_id=sold.row["id"], reference="V-1", at=noon)
    catch_up(noon)

    assert days(cafe) == []


def test_a_merge_moves_the_days_and_back(cafe, ana, sell, noon):
    sell("R-1", 1000)
    rui = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000055")], at=noon, by="test")
    sale = Sale(reference="R-2", currency="EUR", amount_minor=300, occurred_at=noon, customer_id=rui.pk)
    purchases.record(merchant=cafe, sale=sale, at=noon)
    done = merges.merge(source=rui, target=ana, reason="one person", at=noon, by="test")
    catch_up(noon)
    assert days(cafe) == [(ana.pk, DAY, 2, 1300, 0)]

    merges.unmerge(merge=done.merge, at=noon, by="test")
    catch_up(noon)

    assert sorted(days(cafe)) == sorted([(ana.pk, DAY, 1, 1000, 0), (rui.pk, DAY, 1, 300, 0)])


def test_a_rebuild_finds_the_same(cafe, ana, sell, noon, bo):
    for number in range(5):
        sell(f"R-{number}", 100 * number, at=noon - timedelta(days=number))
    catch_up(noon)
    before = days(cafe)
    RevenueDay.objects.all().delete()

    assert sum(customer_days.rebuild(merchant=cafe, at=noon)) == 1
    assert days(cafe) == before


def test_the_nightly_rebuild_looks_at_who_bought_lately(cafe, ana, sell, noon):
    sell("R-1", 1000)

    assert customer_days.rebuild_lately(at=noon) == 1
    assert days(cafe) == [(ana.pk, DAY, 1, 1000, 0)]


def test_following_twice_reads_nothing_new(cafe, ana, sell, noon):
    sell("R-1", 1000)
    catch_up(noon)

    assert changes.follow(at=noon) == 0
    # A minute later the same is read once more, for what was committed late.
    assert changes.follow(at=noon + timedelta(seconds=61)) > 0
    assert changes.follow(at=noon + timedelta(seconds=61)) == 0


def test_any_number_of_customers_takes_two_statements(cafe, ana, sell, noon, django_assert_num_queries):
    sell("R-1", 1000)
    ids = [ana.pk, *range(1, 500)]
    act = db.command(customer_days.roll_up)

    with db.watching() as watch:
        act(merchant=cafe, customers=ids, at=noon)

    if connection.vendor == "postgresql":
        assert watch.statements == 2


def test_an_undone_refund_is_no_refund_any_more(cafe, ana, sell, noon):
    sell("R-1", 1000)
    refunds.record(merchant=cafe, refund=Return("F-1", noon, None, "R-1", 400), at=noon)
    catch_up(noon)
    assert days(cafe) == [(ana.pk, DAY, 1, 600, 400)]

    refunds.undo(merchant=cafe, source="api", reference="F-1", at=noon)
    catch_up(noon + timedelta(minutes=2))

    assert days(cafe) == [(ana.pk, DAY, 1, 1000, 0)]
