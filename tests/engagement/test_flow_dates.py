"""Flows on dates: each once, by the shop's own clock; and points that nobody was told of are kept longer."""

from datetime import UTC, datetime, timedelta

import pytest

from customers import erasure, people
from customers.identifiers import Given
from engagement import fair_expiry, flows
from engagement.models import Flow, FlowRun, Message
from loyalty import balances, expiry, ledger, members, programs, purchases
from loyalty.ledger import differences
from loyalty.models.ledger import Entry
from tests.engagement.flowing import pass_to, put_on, told

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)
EXPIRING = """
id: expiring-%(days)s
name: Expiring
trigger: {points_expire: {days: %(days)s}}
steps: [{message: {template: points-expiring, channels: [email], purpose: service}}]
"""


@pytest.fixture
def ageing(cafe, program, noon):
    """The café's points last two months."""
    program.expiry_mode, program.expiry_months = "age", 2
    program.save()
    programs.publish(program=program, at=noon - 400 * DAY, by="test")
    cafe.refresh_from_db()
    return cafe


def scan(at):
    return flows.scan_due(at=at)


def keys(**more):
    return sorted(FlowRun.objects.filter(**more).values_list("key", flat=True))


def test_a_birthday_is_wished_once_on_the_day(cafe, ana, noon):
    people.change(customer=ana, birthday="05-03", by="test", at=noon - 60 * DAY)
    put_on(cafe, "{id: b, name: B, trigger: {birthday: {}}, steps: [{note: hi}]}", noon)

    assert [scan(noon + days * DAY) for days in (0, 1, 2, 2, 3)] == [0, 0, 1, 0, 0]
    assert keys() == ["birthday:2026"]
    assert scan(noon.replace(year=2027) + 2 * DAY) == 1


def test_days_that_were_missed_are_made_up_for(cafe, ana, noon):
    people.change(customer=ana, birthday="05-03", by="test", at=noon - 60 * DAY)
    put_on(cafe, "{id: b, name: B, trigger: {birthday: {}}, steps: [{note: hi}]}", noon)

    assert scan(noon + 5 * DAY) == 1


def test_the_month_begins_where_the_shop_is(cafe, ana):
    put_on(
        cafe,
        "{id: m, name: M, trigger: {monthly: {day: 31}}, steps: [{note: hi}]}",
        datetime(2026, 6, 29, 12, tzinfo=UTC),
    )
    # Lisbon is an hour ahead in summer: there it is the 30th, the last day of June, from 23:00 on.
    assert scan(datetime(2026, 6, 29, 22, 30, tzinfo=UTC)) == 0
    assert scan(datetime(2026, 6, 29, 23, 30, tzinfo=UTC)) == 1
    assert keys() == ["2026-06"]


def test_a_scan_that_died_goes_on_where_it_was(cafe, noon, monkeypatch):
    from engagement.flows import dates

    monkeypatch.setattr(dates, "CHUNK", 2)
    for number in range(5):
        members.enroll(merchant=cafe, identifiers=[Given("card", f"40000010{number}")], at=noon, by="test")
    put_on(cafe, "{id: m, name: M, trigger: {monthly: {day: 1}}, steps: [{note: hi}]}", noon)
    flow = Flow.objects.get()

    assert dates._scan_some(flow_id=flow.pk, at=noon) == (2, True)
    assert dates._scan_some(flow_id=flow.pk, at=noon) == (2, True)
    assert scan(noon) == 1
    assert scan(noon) == 0
    assert FlowRun.objects.count() == 5


# --- points that expire ---------------------------------------------------------------------------------


def test_expiring_points_are_told_of_twice_each(ageing, ana, sale, noon):
    purchases.record(merchant=ageing, sale=sale(5000), at=noon)
    for days in (30, 7):
        put_on(ageing, EXPIRING % {"days": days}, noon)
    for days in range(62):
        at = noon + days * DAY
        scan(at)
        pass_to(at)

    runs = list(
        FlowRun.objects.order_by("started_at").values_list("flow__slug", "started_at", "data__points")
    )
    assert [(slug, (when - noon).days, points) for slug, when, points in runs] == [
        ("expiring-30", 31, 50),
        ("expiring-7", 54, 50),
    ]
    assert Message.objects.first().data["expires_at"].startswith("July 1")


def test_points_of_every_day_are_told_of_now_and_then_not_every_day(ageing, ana, sale, noon):
    for days in range(28):
        at = noon + days * DAY
        purchases.record(merchant=ageing, sale=sale(1000, occurred_at=at), at=at)
    put_on(ageing, EXPIRING % {"days": 30}, noon)
    for days in range(28, 70):
        scan(noon + days * DAY)

    count = FlowRun.objects.count()
    assert 4 <= count <= 7
    assert sum(run.data["points"] for run in FlowRun.objects.all()) == 280


def left(customer, at):
    return balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=at)["active"]


@pytest.fixture
def unreached(ageing, ana, sale, noon):
    """Ana's 50 points expire at the end of 1 July; both notices bounced."""
    purchases.record(merchant=ageing, sale=sale(5000), at=noon)
    for days in (30, 7):
        put_on(ageing, EXPIRING % {"days": days}, noon)
    for days in (31, 54):
        scan(noon + days * DAY)
        pass_to(noon + days * DAY)
    assert len(told(ana)) == 2
    Message.objects.update(status="bounced")
    return ana


def test_points_whose_notices_reached_nobody_are_kept_longer(unreached, noon):
    assert fair_expiry.extend_due(at=noon + 59 * DAY) == 0  # not yet
    at = noon + 60 * DAY
    assert fair_expiry.extend_due(at=at) == 50
    assert fair_expiry.extend_due(at=at) == 0
    expiry.run(at=noon + 80 * DAY)

    assert left(unreached, noon + 80 * DAY) == 50
    entry = Entry.objects.get(kind="extend")
    assert (entry.points, entry.reason) == (0, {"code": "extend", "text": "notice_not_delivered"})
    assert list(differences()) == []
    lot = ledger.lots(merchant_id=unreached.merchant_id, membership_id=entry.account_id).get()
    assert lot.expires_at == datetime(2026, 7, 31, 23, tzinfo=UTC)


def test_who_was_reached_once_keeps_nothing_longer(unreached, noon):
    Message.objects.filter(pk=Message.objects.order_by("pk").first().pk).update(status="delivered")

    assert fair_expiry.extend_due(at=noon + 60 * DAY) == 0
    expiry.run(at=noon + 62 * DAY)
    assert left(unreached, noon + 62 * DAY) == 0


def test_a_notice_in_the_inbox_counts_once_it_is_read(unreached, noon):
    Message.objects.update(status="delivered", channel="inbox")
    message = Message.objects.first()
    Message.objects.filter(pk=message.pk).update(read_at=noon)
    assert fair_expiry.extend_due(at=noon + 60 * DAY) == 0

    Message.objects.update(read_at=None)
    assert fair_expiry.extend_due(at=noon + 60 * DAY) == 50


@pytest.mark.parametrize(("also_without", "kept"), [(False, 0), (True, 50)])
def test_without_a_contact_the_program_decides(unreached, program, noon, also_without, kept):
    unreached.identifiers.exclude(type="card").delete()
    program.extend_without_contact = also_without
    program.save()
    programs.publish(program=program, at=noon, by="test")

    assert fair_expiry.extend_due(at=noon + 60 * DAY) == kept


def test_the_program_may_keep_nothing_longer(unreached, program, noon):
    program.extend_days = 0
    program.save()
    programs.publish(program=program, at=noon, by="test")

    assert fair_expiry.extend_due(at=noon + 60 * DAY) == 0


def test_without_a_flow_that_tells_points_expire_as_ever(ageing, ana, sale, noon):
    purchases.record(merchant=ageing, sale=sale(5000), at=noon)

    assert fair_expiry.extend_due(at=noon + 60 * DAY) == 0


def test_what_is_over_stays_over(unreached, noon):
    assert fair_expiry.extend_due(at=noon + 70 * DAY) == 0
    assert left(unreached, noon + 70 * DAY) == 0


def test_an_erased_customer_leaves_runs_that_say_nothing(unreached, noon):
    assert erasure.export(customer=unreached)["flowrun"]
    erasure.erase(customer=unreached, at=noon + 60 * DAY, by="test")

    assert set(FlowRun.objects.values_list("key", flat=True)) == {""}
    assert all(run.data == {} for run in FlowRun.objects.all())
