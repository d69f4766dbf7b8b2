"""Steps of flows: waiting, deciding, holding out, giving, and the channel that reaches the customer."""

from datetime import UTC, datetime, timedelta

import pytest

from customers.identifiers import Given
from customers.models import Segment, SegmentMember, Touchpoint
from engagement import experiments, flows
from engagement.flows.publishing import NotPublished
from engagement.models import Flow, FlowRun, FlowStep, Holdout, Message
from loyalty import balances, members, merges, purchases
from rewards.models import Voucher
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
from tests.rewards.conftest import put_up

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def basket(cafe, noon):
    return put_on(cafe, BASKET, noon)


# --- waiting and deciding -------------------------------------------------------------------------------

ASK = """
id: ask
name: Ask
trigger: {touchpoint: purchase.recorded, key: purchase}
steps:
  - wait_for: {touchpoint: review.posted, key: purchase, timeout: 3d}
    then: [{note: thanks}]
    else: [{message: {template: ask}}]
  - note: end
"""


def test_what_is_waited_for_happens_or_does_not(cafe, ana, noon):
    put_on(cafe, ASK, noon)
    happens(ana, "purchase.recorded", noon, purchase="p1")
    happens(ana, "purchase.recorded", noon, purchase="p2")
    pass_to(noon)
    happens(ana, "review.posted", noon + DAY, purchase="p1")
    pass_to(noon + DAY)
    pass_to(noon + 3 * DAY)

    assert log(run_of(ana, key="p1")) == [("1", "happened"), ("1.then.1", "noted"), ("2", "noted")]
    assert log(run_of(ana, key="p2")) == [("1", "timed_out"), ("1.else.1", "queued"), ("2", "noted")]


CHOICE = """
id: choice
name: Choice
trigger: {touchpoint: visit.made, key: touchpoint, where: {place: {one_of: [bar, hall]}}}
steps:
  - if: {data: {amount: {at_least: 10}}, tier: [Bronze], points: {at_most: 5}, not_segment: vip}
    then: [{note: big}]
    else: [{exit: too small}]
"""


def test_conditions_look_at_the_customer_and_at_what_happened(cafe, ana, noon):
    put_on(cafe, CHOICE, noon)
    happens(ana, "visit.made", noon, place="bar", amount=10)
    happens(ana, "visit.made", noon, place="bar", amount=9)
    happens(ana, "visit.made", noon, place="door", amount=10)
    vip = Segment.objects.create(merchant=cafe, code="vip", name="VIP", rule={"all": []}, changed_at=noon)
    member = SegmentMember.objects.create(merchant=cafe, segment=vip, customer=ana, entered_at=noon)
    pass_to(noon)
    SegmentMember.objects.filter(pk=member.pk).delete()
    happens(ana, "visit.made", noon + HOUR, place="hall", amount=99)
    pass_to(noon + HOUR)

    ended = [(run.state, run.ended_reason) for run in FlowRun.objects.order_by("pk")]
    assert ended == [("exited", "too small"), ("exited", "too small"), ("done", "")]


def test_a_split_puts_everybody_always_in_the_same_arm(cafe, noon):
    flow = put_on(
        cafe,
        """
id: ab
name: AB
trigger: {touchpoint: visit.made}
steps: [{split: {a: {share: 30, steps: [{note: A}]}, b: {share: 70}}}]
""",
        noon,
    )
    people = [join(cafe, noon) for _ in range(60)]
    for one in people * 2:
        note(one, "visit.made", noon)
    relay(noon)
    pass_to(noon)

    for one in people:
        expected = "a" if experiments.position(key=f"{flow.public_id}:1", unit=str(one.pk)) < 0.3 else "b"
        assert {run.arm for run in FlowRun.objects.filter(customer=one)} == {expected}
    assert set(FlowRun.objects.values_list("arm", flat=True)) == {"a", "b"}


# --- holdouts -------------------------------------------------------------------------------------------


def test_who_is_held_out_is_recorded_and_compared(cafe, noon):
    put_on(cafe, BASKET, noon, holdout=50)
    people = [join(cafe, noon) for _ in range(30)]
    for one in people:
        note(one, "basket.updated", noon, basket=f"B-{one.pk}")
    relay(noon)
    held = FlowRun.objects.filter(state="held_out")
    assert 0 < held.count() < 30
    first = held.first()
    happens(first.customer, "purchase.recorded", noon + HOUR, basket=first.key)
    pass_to(noon + HOUR)

    assert FlowRun.objects.get(pk=first.pk).goal_at == noon + HOUR
    assert not Message.objects.filter(customer__in=held.values("customer")).exists()
    assert {run.ended_reason for run in held} == {"flow_holdout"}


def test_the_always_on_holdout_reaches_marketing_only(cafe, noon):
    Holdout.objects.create(merchant=cafe, percent=50)
    put_on(cafe, BASKET, noon)
    put_on(
        cafe,
        "{id: must, name: Must, trigger: {touchpoint: basket.updated}, "
        "steps: [{message: {template: must, purpose: service}}]}",
        noon,
    )
    people = [join(cafe, noon) for _ in range(30)]
    for one in people:
        note(one, "basket.updated", noon, basket=f"B-{one.pk}")
    relay(noon)
    pass_to(noon)

    assert FlowRun.objects.filter(flow__slug="must", state="done").count() == 30
    held = FlowRun.objects.filter(flow__slug="basket", state="held_out", ended_reason="holdout")
    expected = {
        one.pk for one in people if experiments.position(key=f"holdout:{cafe.pk}", unit=str(one.pk)) < 0.5
    }
    assert {run.customer_id for run in held} == expected


# --- giving ---------------------------------------------------------------------------------------------


def test_points_and_a_voucher_are_given_once(cafe, ana, program, noon):
    put_up(program, "coffee", cost=100, stock=5)
    put_on(
        cafe,
        "{id: gift, name: A gift, trigger: {touchpoint: visit.made, key: customer}, "
        "steps: [{points: 25}, {voucher: coffee}, {voucher: nothing}, {note: end}]}",
        noon,
    )
    happens(ana, "visit.made", noon)
    pass_to(noon)
    pass_to(noon)

    run = run_of(ana)
    assert log(run) == [("1", "given"), ("2", "given"), ("3", "no_such_reward"), ("4", "noted")]
    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=noon)["active"] == 25
    voucher = Voucher.objects.get()
    assert (voucher.reference, voucher.origin, voucher.reward.stock) == (f"flow:{run.public_id}:2", "flow", 4)


def test_points_of_a_flow_do_not_start_it_again(cafe, ana, noon):
    put_on(
        cafe,
        "{id: one, name: One, trigger: {touchpoint: points.adjusted}, steps: [{points: 5}]}",
        noon,
    )
    happens(ana, "points.adjusted", noon, points=1, flow="one")
    happens(ana, "points.adjusted", noon, points=1, flow="another")

    assert FlowRun.objects.count() == 0


# --- channels -------------------------------------------------------------------------------------------

CHANNELS = """
id: reach
name: Reach
trigger: {touchpoint: visit.made}
steps:
  - message: {template: x, channels: [push, sms, email]}
  - note: end
"""


def settle(channel, **more):
    Message.objects.filter(channel=channel).update(**more)


def test_the_next_channel_is_taken_where_one_cannot_reach_the_customer(cafe, ana, noon):
    put_on(cafe, CHANNELS, noon)
    happens(ana, "visit.made", noon)
    pass_to(noon)
    assert told(ana) == [("x", "push")]
    pass_to(noon + HOUR)
    assert told(ana) == [("x", "push")]

    settle("push", status="not_sent", reason="no_contact")
    pass_to(noon + 2 * HOUR)
    assert told(ana) == [("x", "push"), ("x", "sms")]
    settle("sms", status="sent")
    pass_to(noon + 3 * HOUR)

    run = run_of(ana)
    assert run.state == "done"
    step = FlowStep.objects.get(run=run, step="1")
    assert (step.outcome, step.detail) == ("sent", {"channel": "sms", "why_not": {"push": "no_contact"}})


def test_where_no_channel_reaches_the_customer_each_reason_is_kept(cafe, ana, noon):
    put_on(cafe, CHANNELS, noon)
    happens(ana, "visit.made", noon)
    for hours, (channel, reason) in enumerate(
        [("push", "no_contact"), ("sms", "no_consent"), ("email", "suppressed")]
    ):
        pass_to(noon + hours * HOUR)
        settle(channel, status="not_sent", reason=reason)
    pass_to(noon + 9 * HOUR)

    step = FlowStep.objects.get(run=run_of(ana), step="1")
    assert step.outcome == "not_sent"
    assert step.detail == {"why_not": {"push": "no_contact", "sms": "no_consent", "email": "suppressed"}}


def test_a_webhook_step_notes_a_touchpoint_that_others_hear(cafe, ana, noon):
    put_on(
        cafe,
        "{id: hook, name: Hook, trigger: {touchpoint: visit.made, key: customer}, "
        "steps: [{webhook: {name: crm, data: {list: gold}}}]}",
        noon,
    )
    happens(ana, "visit.made", noon)
    pass_to(noon)

    noted = Touchpoint.objects.get(kind="flow.signaled")
    assert noted.customer == ana
    assert noted.data == {
        "flow": "hook", "name": "crm", "key": "customer", "run": run_of(ana).public_id, "data": {"list": "gold"},
    }  # fmt: skip


def test_somebody_who_was_merged_is_written_to_as_who_they_are_now(basket, cafe, ana, noon):
    twin = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000009")], at=noon, by="test")
    happens(twin, "basket.updated", noon, basket="B-1")
    merges.merge(source=twin, target=ana, reason="one person", at=noon, by="test")
    pass_to(noon + HOUR)

    assert told(ana) == [("basket", "email")]


def test_reward_now_affordable_is_said_once_for_the_dearest(cafe, ana, program, sale, noon):
    put_up(program, "cookie", kind="gift", cost=10)
    put_up(program, "mug", kind="gift", cost=12)
    put_up(program, "bike", kind="gift", cost=5000)
    put_on(
        cafe,
        "{id: enough, name: Enough, trigger: {reward_affordable: {}}, steps: [{message: {template: enough}}]}",
        noon,
    )
    for amount in (900, 400, 100):
        purchases.record(merchant=cafe, sale=sale(amount), at=noon)
        relay(noon)
    pass_to(noon)

    assert [(run.key, run.data["reward"]) for run in FlowRun.objects.all()] == [("mug", "Free espresso")]


def test_a_flow_of_an_empty_shop_is_refused_to_be_switched_on(cafe, noon):
    flow = Flow.objects.create(merchant=cafe, slug="empty", name="Empty", created_at=noon)
    with pytest.raises(NotPublished):
        flows.switch(flow=flow, on=True, at=noon, by="test")


def test_clocks_that_jump_forward_leave_no_day_out(cafe, ana):
    put_on(
        cafe,
        "{id: morning, name: Morning, trigger: {touchpoint: visit.made, key: customer}, "
        "steps: [{wait: {until: '01:30'}}, {message: {template: morning}}]}",
        datetime(2026, 3, 1, tzinfo=UTC),
    )
    # In Lisbon clocks jump from 01:00 to 02:00 on 29 March: 01:30 does not exist.
    evening = datetime(2026, 3, 28, 20, tzinfo=UTC)
    happens(ana, "visit.made", evening)
    pass_to(evening)

    assert run_of(ana).due_at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    pass_to(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert told(ana) == [("morning", "email")]
