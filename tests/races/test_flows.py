"""Flows under races: one live run per instance, one step once, whoever works at the same time."""

from datetime import timedelta

import pytest
from django.db import connection

from customers.models import Touchpoint
from engagement import flows
from engagement.models import FlowRun, FlowStep, Message
from lib import db
from lib.db import is_postgres
from loyalty import balances
from tests.engagement.flowing import BASKET, note, put_on, relay
from tests.threads import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("not __import__('lib.db').db.is_postgres()", reason="SQLite has one writer"),
]

HOUR = timedelta(hours=1)


@db.command
def hear(touchpoint, at):
    flows.on_touchpoints([touchpoint], at)


def told_at_once(ana, noon):
    """The same basket is told by two workers at once."""
    for _ in range(8):
        note(ana, "basket.updated", noon, basket="B-1")
    rows = list(
        Touchpoint.objects.filter(kind="basket.updated").select_related("merchant", "customer").order_by("pk")
    )
    found = at_once(8, lambda number: hear(rows[number], noon))
    assert not [one for one in found if isinstance(one, Exception)]
    return FlowRun.objects.filter(customer=ana).count()


def test_one_live_run_per_basket_whoever_hears_of_it_at_once(cafe, ana, noon):
    assert is_postgres()
    put_on(cafe, BASKET, noon)

    assert told_at_once(ana, noon) == 1


def test_without_the_constraint_there_would_be_several(cafe, ana, noon):
    """The twin: what the test above sees is the constraint's work."""
    put_on(cafe, BASKET, noon)
    name = "one_live_run_per_flow_customer_and_key"
    constraint = next(one for one in FlowRun._meta.constraints if one.name == name)
    with connection.schema_editor() as editor:
        editor.remove_constraint(FlowRun, constraint)
    try:
        assert told_at_once(ana, noon) > 1
    finally:
        FlowRun.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(FlowRun, constraint)


def test_workers_share_what_is_due_and_do_nothing_twice(cafe, ana, noon):
    put_on(
        cafe,
        "{id: gift, name: Gift, trigger: {touchpoint: visit.made}, "
        "steps: [{message: {template: x, channels: [email]}}, {points: 3}, {note: end}]}",
        noon,
    )
    for _ in range(40):
        note(ana, "visit.made", noon)
    relay(noon)

    def work(_number):
        done = 0
        while moved := flows.step_due(at=noon + HOUR, limit=7):
            done += moved
        return done

    found = at_once(4, work)
    assert not [one for one in found if isinstance(one, Exception)]
    while flows.step_due(at=noon + HOUR):
        pass

    assert FlowRun.objects.filter(state="done").count() == 40
    assert Message.objects.count() == 40
    assert FlowStep.objects.count() == 120
    assert balances.balance(merchant=cafe, customer_id=ana.pk, at=noon + HOUR)["active"] == 120
