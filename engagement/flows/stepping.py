"""
Runs that are due move on: chunk by chunk, each chunk of one flow, in one transaction and few statements.

A worker that dies leaves whole chunks behind or none of one. Two workers share the work: a run is taken
by one of them. Every flow with something due gets a chunk in each round, so that a hundred thousand runs
of one never hold up the others. Steps that give points or a voucher are taken apart (`giving`), because
they lock accounts first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from customers import journey
from customers.models import Customer
from engagement import deciding, messages
from engagement.flows import giving, plan, runs
from engagement.flows.facts import People, people
from engagement.flows.plan import GIVING, FlowPlan, Move
from engagement.flows.runs import BEGUN, HEARD, RunState
from engagement.messages import Draft
from engagement.models import Flow, FlowRun, FlowStep, Message
from engagement.surveys.asking import ASKS
from lib import db, public_ids
from merchants.models import Merchant

CHUNK = 500
# How soon a run looks whether its message went out, before it takes the next channel; and how late it gives up.
LOOK_AGAIN = timedelta(seconds=30)
LOOK_AGAIN_LATER = timedelta(minutes=15)
UNSAID = (Message.Status.NOT_SENT, Message.Status.FAILED, Message.Status.BOUNCED)
OPEN = (Message.Status.QUEUED, Message.Status.SENDING)
SIGNALED = "flow.signaled"


def step_due(*, at: datetime, merchant: Merchant | None = None, limit: int = CHUNK) -> int:
    """
    Move what is due, a chunk of each flow; return how many runs moved. Call it until it returns 0.

    Safe to run twice at once and to be killed at any line.
    """
    done = 0
    for flow_id, merchant_id in due_flows(at=at, merchant=merchant):
        done += _step_some(flow_id=flow_id, merchant_id=merchant_id, at=at, limit=limit)
        done += giving.give_some(flow_id=flow_id, merchant_id=merchant_id, at=at, limit=limit)
    return done


def due_flows(*, at: datetime, merchant: Merchant | None = None) -> list[tuple[int, int]]:
    """Return (flow, merchant) of the flows that have something due."""
    due = FlowRun.objects.filter(flow=OuterRef("pk"), state=FlowRun.State.WAITING, due_at__lte=at)
    flows = Flow.objects.filter(Exists(due.filter(gives=False)) | Exists(due.filter(gives=True)))
    if merchant is not None:
        flows = flows.filter(merchant=merchant)
    return list(flows.order_by("pk").values_list("pk", "merchant_id"))


@dataclass(slots=True)
class Work:
    """What one chunk makes: all of it is written together."""

    merchant: Merchant
    slug: str
    flow_name: str
    at: datetime
    people: People
    said: Mapping[tuple[int, str], tuple[str, str]]
    drafts: list[Draft] = field(default_factory=list)
    log: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def note(self, run: RunState, move: Move, outcome: str, **detail: Any) -> None:
        """Keep what a step did. No detail may name a person: the log is never erased."""
        self.log.append(runs.log_row(run, move, outcome, at=self.at, detail=detail))


@db.command
def _step_some(*, flow_id: int, merchant_id: int, at: datetime, limit: int) -> int:
    taken = runs.take(flow_id=flow_id, at=at, limit=limit, gives=False)
    if not taken:
        return 0
    flow = Flow.objects.select_related("merchant").get(pk=flow_id, merchant=merchant_id)
    work = Work(
        merchant=flow.merchant,
        slug=flow.slug,
        flow_name=flow.name,
        at=at,
        people=people(merchant=flow.merchant, customers=[run.customer_id for run in taken], at=at),
        said=_said(taken),
    )
    for run in taken:
        _advance(work, run)
    messages.queue_all(work.drafts, at=at)
    db.insert(FlowStep, work.log)
    runs.write(taken)
    if work.notes:
        journey.note_all(work.notes)
    return len(taken)


def _said(taken: Sequence[RunState]) -> dict[tuple[int, str], tuple[str, str]]:
    """Return (status, reason) of the messages that these runs wait for, by run and channel."""
    waiting = [
        message_key(run, run.step)
        for run in taken
        if run.phase == BEGUN and runs.plan_of(run.version_id).moves[run.step].step.message
    ]
    if not waiting:
        return {}
    rows = Message.objects.filter(merchant=taken[0].merchant_id, key__in=waiting)
    return {
        (number, channel): (status, reason)
        for number, channel, status, reason in rows.values_list("flow_run_id", "channel", "status", "reason")
        if number is not None
    }


def message_key(run: RunState, path: str) -> str:
    """Return what a message of a step is about: it is said once per channel for ever."""
    return f"flow:{run.name}:{path}"


def _advance(work: Work, run: RunState) -> None:
    """Do the steps of a run until one waits, gives something, or none is left."""
    ready = runs.plan_of(run.version_id)
    customer = work.people.found.get(run.customer_id)
    if customer is None or customer.status != Customer.Status.ACTIVE:
        run.end(runs.EXITED, at=work.at, reason="customer_gone")
        return
    while run.is_live:
        move = ready.moves[run.step]
        if move.verb in GIVING:
            run.gives, run.phase, run.due_at, run.is_changed = True, "", work.at, True
            return
        path = VERBS[move.verb](work, ready, run, move, customer)
        if path is None:
            return
        run.go(path, at=work.at)


Verb = Callable[[Work, FlowPlan, RunState, Move, Customer], str | None]


def _wait(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    if run.phase != BEGUN:
        wait = move.step.wait
        assert wait is not None
        # A length of time counts from when the step was due, also if we come late; a time of day from now.
        begins = run.due_at if isinstance(wait, str) else work.at
        until = plan.ends(wait, at=begins, zone=deciding.zone_of(customer))
        if until > work.at:
            run.rest(BEGUN, until=until)
            return None
    work.note(run, move, "waited")
    return move.next


def _wait_for(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    assert move.step.wait_for is not None
    if run.phase == HEARD:
        work.note(run, move, "happened")
        return move.branches["then"]
    if run.phase == BEGUN:
        work.note(run, move, "timed_out")
        return move.branches["else"]
    run.rest(BEGUN, until=work.at + plan.span(move.step.wait_for.timeout))
    return None


def _if(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    when = move.step.if_
    assert when is not None
    facts = work.people.facts(customer, with_segments=bool(when.segment or when.not_segment))
    answer = "then" if plan.is_when(when, facts, run.data) else "else"
    work.note(run, move, answer)
    return move.branches[answer]


def _split(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    key = f"{public_ids.show(Flow.prefix, run.flow_id)}:{move.path}"
    arm = plan.arm_of(move.step, key=key, unit=str(run.customer_id))
    run.arm = f"{run.arm}+{arm}"[:20] if run.arm else arm
    work.note(run, move, arm)
    return move.branches[f"split-{arm}"]


def _message(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    """Queue the message on the first channel; on the next one where that could not reach the customer."""
    message = move.step.message
    assert message is not None
    if run.phase != BEGUN:
        _queue(work, run, move, customer, message.channels[0])
        if len(message.channels) == 1:
            work.note(run, move, "queued", channel=message.channels[0])
            return move.next
        run.rest(BEGUN, until=work.at + LOOK_AGAIN)
        return None
    why: dict[str, str] = {}
    for channel in message.channels:
        status, reason = work.said.get((run.id, channel), ("", ""))
        if not status:
            _queue(work, run, move, customer, channel)
            run.rest(BEGUN, until=work.at + LOOK_AGAIN)
            return None
        if status in OPEN:
            # Quiet hours may last until morning: it is looked at less often then.
            run.rest(BEGUN, until=work.at + (LOOK_AGAIN_LATER if reason else LOOK_AGAIN))
            return None
        if status not in UNSAID:
            work.note(run, move, "sent", channel=channel, **({"why_not": why} if why else {}))
            return move.next
        why[channel] = reason or status
    work.note(run, move, "not_sent", why_not=why)
    return move.next


def _queue(work: Work, run: RunState, move: Move, customer: Customer, channel: str) -> None:
    message = move.step.message
    assert message is not None
    work.drafts.append(
        Draft(
            customer=customer,
            key=message_key(run, move.path),
            channel=channel,
            template=message.template,
            data=_words(work, run, customer, message.survey),
            purpose=message.purpose,
            due_at=work.at,
            flow_run_id=run.id,
            arm=run.arm,
        )
    )


def _words(work: Work, run: RunState, customer: Customer, survey: str | None) -> dict[str, Any]:
    said = {name: value for name, value in run.data.items() if name != ASKS}
    return work.people.words(customer, said) | ({ASKS: survey} if survey else {})


def _webhook(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    webhook = move.step.webhook
    assert webhook is not None
    data = {"flow": work.slug, "name": webhook.name, "run": run.name, "key": run.key, "data": webhook.data}
    work.notes.append(
        journey.row(
            merchant_id=run.merchant_id,
            customer_id=customer.pk,
            kind=SIGNALED,
            at=work.at,
            now=work.at,
            reference=f"flow:{run.name}:{move.path}",
            data=data,
        )
    )
    work.note(run, move, "signaled", name=webhook.name)
    return move.next


def _note(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    work.note(run, move, "noted", text=move.step.note)
    return move.next


def _exit(work: Work, ready: FlowPlan, run: RunState, move: Move, customer: Customer) -> str | None:
    assert move.step.exit is not None
    work.note(run, move, "ended")
    run.end(runs.EXITED, at=work.at, reason=move.step.exit)
    return None


VERBS: Mapping[str, Verb] = {
    "wait": _wait,
    "wait_for": _wait_for,
    "if_": _if,
    "split": _split,
    "message": _message,
    "webhook": _webhook,
    "note": _note,
    "exit": _exit,
}
