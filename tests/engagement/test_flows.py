"""Flows: somebody starts, goes on step by step, and leaves at once when there is a reason."""

from datetime import timedelta

import pytest

from customers import erasure
from customers.models import Touchpoint
from engagement import flows
from engagement.models import FlowRun, FlowVersion, Message
from lib import db
from loyalty import purchases
from tests.engagement.flowing import (
    BASKET,
    happens,
    join,
    log,
    note,
    pass_to,
    put_on,
    relay,
    run_of,
    told,
)

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def basket(cafe, noon):
    return put_on(cafe, BASKET, noon)


# --- starting and going on ------------------------------------------------------------------------------


def test_a_flow_says_what_it_promises_when_it_is_due(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1", amount_minor=1200, currency="EUR")
    pass_to(noon)
    assert told(ana) == []

    pass_to(noon + HOUR)
    assert told(ana) == [("basket", "email")]

    pass_to(noon + HOUR + DAY)
    assert told(ana) == [("basket", "email"), ("basket-again", "email")]
    run = run_of(ana)
    assert (run.state, run.step) == ("done", "")
    assert log(run) == [("1", "waited"), ("2", "queued"), ("3", "waited"), ("4", "queued")]


def test_what_is_told_twice_starts_once(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    happens(ana, "basket.updated", noon, basket="B-1")

    assert FlowRun.objects.count() == 1


def test_the_same_basket_again_begins_the_wait_anew(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1", amount_minor=100)
    pass_to(noon)
    happens(ana, "basket.updated", noon + HOUR / 2, basket="B-1", amount_minor=300)
    pass_to(noon + HOUR)
    assert told(ana) == []

    pass_to(noon + HOUR * 1.5)
    assert Message.objects.get().data["amount_minor"] == 300


def test_a_reminder_that_was_said_is_not_said_again_for_the_same_basket(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    pass_to(noon + HOUR)
    pass_to(noon + HOUR + DAY)
    happens(ana, "basket.updated", noon + 3 * DAY, basket="B-1")
    pass_to(noon + 9 * DAY)

    assert len(told(ana)) == 2
    assert FlowRun.objects.count() == 1


def test_stepping_twice_says_nothing_twice(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    for _ in range(3):
        pass_to(noon + HOUR)

    assert told(ana) == [("basket", "email")]


def test_what_did_not_happen_at_a_merchant_with_flows_costs_one_statement(
    basket, ana, noon, django_assert_num_queries
):
    happens(ana, "page.viewed", noon)  # each process reads a version once
    note(ana, "page.viewed", noon)
    heard = list(Touchpoint.objects.filter(relayed_at=None).select_related("merchant", "customer"))
    with db.watching() as watch:
        db.command(flows.on_touchpoints)(heard, noon)

    assert len([text for text in watch.texts if not text.startswith("BEGIN")]) == 1


def test_a_chunk_costs_few_statements_however_many_it_concerns(basket, cafe, noon):
    def statements(count):
        people = [join(cafe, noon) for _ in range(count)]
        for place, one in enumerate(people):
            note(one, "basket.updated", noon, basket=f"B-{one.pk}-{place}")
        heard = list(
            Touchpoint.objects.filter(kind="basket.updated", relayed_at=None).select_related(
                "merchant", "customer"
            )
        )
        assert len(heard) == count
        with db.watching() as watch:
            db.command(flows.on_touchpoints)(heard, noon)
        relay(noon)
        heard_with = watch.statements
        with db.watching() as watch:
            assert flows.step_due(at=noon) == count
        return heard_with, watch.statements

    statements(1)  # each process reads a version once
    assert statements(2) == statements(40)


# --- leaving --------------------------------------------------------------------------------------------


def test_a_purchase_of_the_basket_ends_its_reminders_at_once_also_in_a_delay(basket, cafe, ana, sale, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    pass_to(noon)
    assert run_of(ana).phase == "waiting"
    purchases.record(
        merchant=cafe, sale=sale(900, basket="B-1", occurred_at=noon + HOUR / 2), at=noon + HOUR / 2
    )
    relay(noon + HOUR / 2)

    run = run_of(ana)
    assert (run.state, run.ended_reason, run.ended_at) == ("exited", "purchase.recorded", noon + HOUR / 2)
    pass_to(noon + 2 * DAY)
    assert told(ana) == []
    assert run_of(ana).goal_at == noon + HOUR / 2


def test_a_purchase_of_another_basket_ends_nothing(basket, cafe, ana, sale, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    purchases.record(merchant=cafe, sale=sale(900, basket="B-2"), at=noon)
    purchases.record(merchant=cafe, sale=sale(900), at=noon)
    relay(noon)
    pass_to(noon + HOUR)

    assert told(ana) == [("basket", "email")]
    assert run_of(ana).goal_at is None


def test_a_message_that_waits_to_be_sent_is_taken_back_by_the_exit(basket, cafe, ana, sale, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    pass_to(noon + HOUR)
    assert Message.objects.get().status == "queued"
    purchases.record(merchant=cafe, sale=sale(900, basket="B-1", occurred_at=noon + HOUR), at=noon + HOUR)
    relay(noon + HOUR)

    message = Message.objects.get()
    assert (message.status, message.reason) == ("not_sent", "paused")


def test_a_purchase_that_is_told_before_its_basket_starts_nothing(basket, cafe, ana, sale, noon):
    purchases.record(merchant=cafe, sale=sale(900, basket="B-1", occurred_at=noon + HOUR), at=noon + HOUR)
    relay(noon + HOUR)
    happens(ana, "basket.updated", noon, basket="B-1")

    assert FlowRun.objects.count() == 0


def test_switching_off_ends_what_runs_and_takes_back_what_was_not_sent(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    pass_to(noon + HOUR)

    assert flows.switch(flow=basket, on=False, at=noon + HOUR, by="test") == 1
    assert run_of(ana).ended_reason == "switched_off"
    assert Message.objects.get().reason == "paused"
    happens(ana, "basket.updated", noon + DAY, basket="B-2")
    assert FlowRun.objects.count() == 1


def test_who_leaves_hears_nothing_more(basket, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    erasure.erase(customer=ana, at=noon, by="test")
    pass_to(noon + HOUR)

    assert told(ana) == []
    run = FlowRun.objects.get()
    assert (run.state, run.data) == ("exited", {})


def test_another_merchants_purchase_ends_nothing_here(basket, bar_nilo, bo, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    happens(bo, "purchase.recorded", noon, basket="B-1")
    happens(bo, "basket.updated", noon, basket="B-1")

    assert [run.customer_id for run in FlowRun.objects.filter(state="waiting")] == [ana.pk]


# --- versions and starting again ------------------------------------------------------------------------


def test_what_runs_goes_on_as_it_began(basket, cafe, ana, noon):
    happens(ana, "basket.updated", noon, basket="B-1")
    changed = BASKET.replace("template: basket,", "template: changed,")
    put_on(cafe, changed, noon)
    happens(ana, "basket.updated", noon, basket="B-2")
    pass_to(noon + HOUR)

    assert sorted(told(ana)) == [("basket", "email"), ("changed", "email")]
    assert [one.number for one in FlowVersion.objects.order_by("number")] == [1, 2]


def test_publishing_the_same_again_changes_nothing(basket, cafe, noon):
    put_on(cafe, BASKET, noon)

    assert FlowVersion.objects.count() == 1


HELLO = """
id: hello
name: Hello
trigger: {touchpoint: visit.made, key: customer}
reentry: %s
steps: [{message: {template: hello}}]
"""


@pytest.mark.parametrize(("rule", "times"), [("never", 1), ("always", 3), ("30d", 2)])
def test_who_may_start_again(cafe, ana, noon, rule, times):
    put_on(cafe, HELLO % rule, noon)
    for days in (0, 10, 40):
        happens(ana, "visit.made", noon + days * DAY)
        pass_to(noon + days * DAY)

    assert len(told(ana)) == times
