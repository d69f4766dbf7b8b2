"""What tests of flows say: a flow as text, something that happens, time that passes."""

from itertools import count

import yaml

from customers import journey
from customers.identifiers import Given
from engagement import flows
from engagement.flows import document
from engagement.models import Flow, FlowRun, FlowStep, Message
from lib import db
from loyalty import members

BASKET = """
id: basket
name: A basket left behind
trigger: {touchpoint: basket.updated, key: basket, restart: true}
exit: [{touchpoint: purchase.recorded, key: basket}]
goal: {touchpoint: purchase.recorded, key: basket, days: 7}
steps:
  - wait: 1h
  - message: {template: basket, channels: [email]}
  - wait: 1d
  - message: {template: basket-again, channels: [email]}
"""


def put_on(merchant, text, at, **more):
    """Publish a flow and switch it on."""
    wanted = document.read({**yaml.safe_load(text), **more})
    flow = flows.publish(merchant=merchant, wanted=wanted, at=at, by="test")
    flows.switch(flow=flow, on=True, at=at, by="test")
    return Flow.objects.get(pk=flow.pk)


@db.command
def note(customer, kind, at, **data):
    journey.note(customer=customer, kind=kind, at=at, data=data)


def relay(at):
    while journey.relay(at=at):
        pass


def happens(customer, kind, at, **data):
    """Something happens to a customer, and everybody hears of it."""
    note(customer, kind, at, **data)
    relay(at)


def pass_to(at):
    """Time passes to `at`: what is due moves. The relay hears what that caused."""
    while flows.step_due(at=at):
        pass
    relay(at)


def run_of(customer, **more):
    return FlowRun.objects.get(customer=customer, **more)


def told(customer):
    """The messages that were queued for somebody, oldest first."""
    return list(Message.objects.filter(customer=customer).order_by("pk").values_list("template", "channel"))


def log(run):
    return list(FlowStep.objects.filter(run=run).order_by("pk").values_list("step", "outcome"))


cards = count(4_200_000_000)


def join(cafe, noon):
    """A new member with a card."""
    card = Given("card", str(next(cards)))
    return members.enroll(merchant=cafe, identifiers=[card], at=noon, by="test")
