"""
Steps that give points or a voucher: once, with the run's step as the reference.

Accounts are locked before runs, as everywhere: the runs that want something are looked at, their accounts
locked, and only then are the runs taken and asked again. A run that somebody else has is left for the
next round, so that nobody who holds an account ever waits for a run.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from customers.models import Customer
from engagement.flows import runs
from engagement.flows.facts import people
from engagement.flows.runs import RunState
from engagement.models import Flow, FlowRun, FlowStep
from lib import db
from loyalty import gifts, programs
from loyalty.gifts import Gift
from merchants.models import Merchant
from rewards import catalogue, presents
from rewards.models import Reward

CHUNK = 200
ORIGIN = "flow"


@db.command
def give_some(*, flow_id: int, merchant_id: int, at: datetime, limit: int) -> int:
    """Do the giving steps of some due runs of a flow; return how many runs moved."""
    due = FlowRun.objects.filter(flow=flow_id, state=FlowRun.State.WAITING, gives=True, due_at__lte=at)
    wanted = list(due.order_by("due_at", "pk").values_list("pk", "customer_id")[: min(limit, CHUNK)])
    if not wanted:
        return 0
    flow = Flow.objects.select_related("merchant").get(pk=flow_id, merchant=merchant_id)
    who = people(merchant=flow.merchant, customers=[number for _, number in wanted], at=at)
    living = sorted({one.pk for one in who.found.values() if one.status == Customer.Status.ACTIVE})
    taken: list[RunState] = []

    def behind_the_lock() -> Sequence[Gift]:
        taken.extend(
            runs.take(flow_id=flow_id, at=at, limit=limit, gives=True, only=[number for number, _ in wanted])
        )
        return [
            gift for run in taken if (gift := _gift(flow, who.found.get(run.customer_id), run)) is not None
        ]

    try:
        given = gifts.give_all(merchant=flow.merchant, customers=living, wanted=behind_the_lock, at=at)
    except programs.NoProgram:
        behind_the_lock()
        given = {}
    log = [_move_on(flow, who.found.get(run.customer_id), run, given, at) for run in taken]
    db.insert(FlowStep, log)
    runs.write(taken)
    return len(taken)


def reference(run: RunState) -> str:
    return f"flow:{run.name}:{run.step}"


def _gift(flow: Flow, customer: Customer | None, run: RunState) -> Gift | None:
    points = runs.plan_of(run.version_id).moves[run.step].step.points
    if points is None or customer is None or customer.status != Customer.Status.ACTIVE:
        return None
    return Gift(customer.pk, points, reference(run), code="flow", source=flow.slug, text=flow.name)


def _move_on(
    flow: Flow, customer: Customer | None, run: RunState, given: dict[str, int], at: datetime
) -> dict[str, Any]:
    move = runs.plan_of(run.version_id).moves[run.step]
    detail: dict[str, Any] = {}
    if customer is None or customer.status != Customer.Status.ACTIVE:
        outcome = "customer_gone"
    elif move.step.points is not None:
        points = given.get(reference(run))
        outcome, detail = ("given", {"points": points}) if points else ("not_given", {})
    else:
        assert move.step.voucher is not None
        outcome, detail = _voucher(flow.merchant, customer, move.step.voucher, run, at)
    row = runs.log_row(run, move, outcome, at=at, detail=detail)
    run.go(move.next, at=at)
    return row


def _voucher(
    merchant: Merchant, customer: Customer, code: str, run: RunState, at: datetime
) -> tuple[str, dict[str, Any]]:
    reward = Reward.objects.filter(merchant=merchant, code=code, is_active=True).order_by("pk").first()
    if reward is None:
        return "no_such_reward", {"reward": code}
    try:
        issued = presents.give(
            reward=reward, customer=customer, origin=ORIGIN, reference=reference(run), at=at, by="flow"
        )
    except (catalogue.RewardOutOfStock, catalogue.RewardNotAvailable) as refusal:
        return refusal.code, {"reward": code}
    return "given", {"voucher": issued.voucher.public_id, "reward": code}
