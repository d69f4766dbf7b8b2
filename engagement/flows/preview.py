"""What a flow would say to one real customer, and when: nothing is sent, nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from customers.models import Customer
from engagement import deciding, templates
from engagement.flows import plan, starts, telling
from engagement.flows.document import Document, Step
from engagement.flows.facts import People, people
from engagement.flows.plan import FlowPlan, Move
from engagement.models import Flow, Holdout
from engagement.templates import InvalidTemplate, UnknownTemplate


@dataclass(frozen=True, slots=True)
class Event:
    """One step that would be done: when, in words, and the text that would be sent."""

    at: datetime
    path: str
    text: str
    subject: str = ""
    body: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    held_out: str
    events: list[Event]


def show(
    *, flow: Flow, document: Document, customer: Customer, data: Mapping[str, Any], at: datetime
) -> Preview:
    """
    Return what would follow if the flow started now for this customer, with `data` as what happened.

    What is waited for does not happen; conditions and arms are those of the customer as they are now.
    """
    ready = plan.ready(document)
    who = people(merchant=flow.merchant, customers=[customer.pk], at=at)
    person = who.found[customer.pk]
    percent = Holdout.objects.filter(merchant=flow.merchant_id).values_list("percent", flat=True).first()
    offer = starts.Offer(flow.pk or 0, flow.merchant_id, flow.slug, 0, ready, percent or 0)
    events: list[Event] = []
    path, now = ready.first, at
    while path:
        move = ready.moves[path]
        path, now = _do(flow, ready, move, who, person, data, now, events)
    return Preview(starts.held_out(offer, person.pk) or "", events)


def _do(
    flow: Flow,
    ready: FlowPlan,
    move: Move,
    who: People,
    person: Customer,
    data: Mapping[str, Any],
    now: datetime,
    events: list[Event],
) -> tuple[str, datetime]:
    """Add what a step would do; return the next step's path and when it would come."""
    step = move.step
    if step.wait is not None:
        return move.next, plan.ends(step.wait, at=now, zone=deciding.zone_of(person))
    if step.wait_for is not None:
        then = now + plan.span(step.wait_for.timeout)
        what = _("%(what)s is waited for, and does not happen.") % {"what": telling.happening(step.wait_for)}
        events.append(Event(now, move.path, what))
        return move.branches["else"], then
    if step.if_ is not None:
        facts = who.facts(person, with_segments=bool(step.if_.segment or step.if_.not_segment))
        is_so = plan.is_when(step.if_, facts, data)
        said = telling.condition(step.if_)
        text = _("%(condition)s: yes.") if is_so else _("%(condition)s: no.")
        events.append(Event(now, move.path, text % {"condition": said}))
        return move.branches["then" if is_so else "else"], now
    if step.split is not None:
        arm = plan.arm_of(step, key=f"{flow.public_id}:{move.path}", unit=str(person.pk))
        events.append(Event(now, move.path, _("Falls into arm %(arm)s.") % {"arm": arm}))
        return move.branches[f"split-{arm}"], now
    if step.message is not None:
        events.append(_message(who, move, person, data, now))
        return move.next, now
    events.append(Event(now, move.path, telling.sentence(step)))
    return ("" if step.exit is not None else move.next), now


def _message(who: People, move: Move, person: Customer, data: Mapping[str, Any], now: datetime) -> Event:
    step: Step = move.step
    assert step.message is not None
    text, name, channel = telling.sentence(step), step.message.template, step.message.channels[0]
    # What is missing of the data is shown as an example: a preview has no basket.
    values = {**templates.sample(name), **who.words(person, data)}
    values |= {key: value for key, value in templates.sample(name).items() if values.get(key) in ("", None)}
    try:
        rendered = templates.render(name, person, values, channel=channel)
    except (UnknownTemplate, InvalidTemplate) as problem:
        return Event(now, move.path, text, problem=str(problem))
    return Event(now, move.path, text, rendered.subject, rendered.text)
