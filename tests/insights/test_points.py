"""Sums of points over time: whatever happened, and whenever they were rolled up, they are what the accounts say."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from insights import forward, points
from insights.models import PointsCohort, PointsDay
from lib import db
from loyalty import adjustments, ledger, purchases, refunds
from loyalty.models.ledger import Entry, Lot
from loyalty.refunds import Return
from tests.loyalty.test_merges_in_any_order import Families

pytestmark = [pytest.mark.core, pytest.mark.django_db]

# Ids are made by the real clock, so what is read is everything.
LATER = datetime(2100, 1, 1, tzinfo=UTC)
EVER, NEVER = date(2000, 1, 1), date(2100, 1, 1)


def rolled(merchant, since=EVER, until=NEVER):
    moved = points.movements(
        merchant=merchant, program_id=merchant.programs.get().pk, since=since, until=until
    )
    return forward.roll(moved)


def held(merchant):
    """What the accounts say: (usable less debt, pending)."""
    sums = ledger.totals(merchant_id=merchant.pk)
    return sums["active"] - sums["debt"], sums["pending"]


def left(cohorts):
    """What each month's points should still hold."""
    sums = {}
    for one in cohorts:
        sums[one.month] = sums.get(one.month, 0) + one.issued - one.redeemed - one.expired
    return {month: points for month, points in sums.items() if points}


class Histories(Families):
    """Purchases, refunds, merges, transfers, expiry; and a roll-up at any moment."""

    @rule()
    def roll_up(self):
        points.roll_up(merchant=self.shop, at=LATER)

    @invariant()
    def days_are_what_the_accounts_say(self):
        if not hasattr(self, "shop"):
            return
        found = rolled(self.shop)
        assert (found.closing.points, found.closing.pending) == held(self.shop)
        assert not list(points.differences(merchant_id=self.shop.pk))
        for line in ("activated", "transferred", "merged"):
            assert found.lines[line].points + found.lines[line].pending == 0

    @invariant()
    def months_are_what_the_lots_hold(self):
        if not hasattr(self, "shop"):
            return
        lots = {}
        for earned_at, remaining in Lot.objects.filter(merchant=self.shop).values_list(
            "earned_at", "remaining"
        ):
            local = earned_at.astimezone(self.shop.zone)
            month = local.year * 12 + local.month - 1
            lots[month] = lots.get(month, 0) + remaining
        found = points.cohorts(merchant=self.shop, program_id=self.shop.programs.get().pk)
        assert left(found) == {month: remaining for month, remaining in lots.items() if remaining}

    @invariant()
    def a_period_begins_where_the_one_before_ended(self):
        if not hasattr(self, "shop"):
            return
        day = self.now.date() - timedelta(days=1)
        assert (
            rolled(self.shop, since=day).opening == rolled(self.shop, until=day - timedelta(days=1)).closing
        )


def test_they_tie_to_the_ledger_whatever_happens():
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_an_entry_is_in_the_sums_once_however_often_they_are_rolled_up(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)

    assert points.roll_up(merchant=cafe, at=LATER) == 1
    before = list(PointsDay.objects.values()), list(PointsCohort.objects.values())
    assert points.roll_up(merchant=cafe, at=LATER) == 0
    assert (list(PointsDay.objects.values()), list(PointsCohort.objects.values())) == before
    points.rebuild(merchant=cafe, at=LATER)
    assert (list(PointsDay.objects.values()), list(PointsCohort.objects.values())) == before
    assert PointsDay.objects.get().points == 50


def test_what_a_running_command_may_still_write_is_left_for_later(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)

    assert points.roll_up(merchant=cafe, at=datetime.now(UTC)) == 0
    assert not PointsDay.objects.exists()
    assert rolled(cafe).closing.points == 50


def test_a_day_is_the_merchants_day_on_which_it_was_booked(cafe, sale, noon):
    late = noon.replace(hour=23, minute=30)  # half past midnight in Lisbon
    purchases.record(merchant=cafe, sale=sale(5000, occurred_at=noon), at=late)

    assert list(rolled(cafe).days) == [date(2026, 5, 2)]


def test_undoing_a_refund_is_no_new_issue(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000, reference="R-1"), at=noon)
    back = Return(reference="F-1", occurred_at=noon, purchase_reference="R-1", amount_minor=5000)
    refunds.record(merchant=cafe, refund=back, at=noon)
    assert refunds.undo(merchant=cafe, source="api", reference="F-1", at=noon)

    found = rolled(cafe)
    assert (found.lines["issued"].points, found.lines["clawed_back"].points) == (50, 0)
    assert sum(one.issued for one in points.cohorts(merchant=cafe, program_id=cafe.programs.get().pk)) == 50


def test_what_is_wrong_is_told(cafe, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    points.roll_up(merchant=cafe, at=LATER)
    PointsDay.objects.update(points=49)

    [said] = points.differences(merchant_id=cafe.pk)

    assert f"of merchant {cafe.pk}" in said
    assert "by -1 points" in said


def test_nobody_reads_anothers_points(cafe, bar_nilo, bo, sale, noon):
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    adjustments.adjust(
        customer=bo, points=7, reason="kind", reference="A-1", at=noon, by="test", source="api"
    )
    points.roll_up_all(at=LATER)

    assert rolled(cafe).closing.points == 50
    assert rolled(bar_nilo).closing.points == 7
    mine = points.movements(merchant=cafe, program_id=bar_nilo.programs.get().pk, since=EVER, until=NEVER)
    assert mine == []


def test_every_kind_of_entry_stands_on_one_line():
    kinds = [kind for kinds in forward.LINES.values() for kind in kinds]

    assert sorted(kinds) == sorted(Entry.Kind.values)


def test_a_report_takes_as_many_statements_after_a_thousand_entries(cafe, sale, noon):
    def statements():
        with db.watching() as watch:
            rolled(cafe)
            points.cohorts(merchant=cafe, program_id=1)
        return watch.statements

    few = statements()
    for number in range(30):
        purchases.record(merchant=cafe, sale=sale(1000 + number), at=noon)
    assert statements() == few
    assert PointsDay.objects.aggregate(sum=Sum("points"))["sum"] is None
