"""A merchant's flows: published in versions, switched on and off."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from engagement import messages
from engagement.flows import document, hearing
from engagement.flows.document import Document
from engagement.models import Flow, FlowRun, FlowVersion
from lib import db
from lib.errors import Refused
from merchants.models import Merchant

CHUNK = 1000


class NotPublished(Refused):
    """A flow without steps cannot be switched on."""

    code = "flow_not_published"


@db.command
def publish(*, merchant: Merchant, wanted: Document, at: datetime, by: str) -> Flow:
    """
    Put a flow in force: who starts from now on follows it, what runs goes on as it began.

    A flow of this id is made if there is none. Publishing the same again changes nothing.
    """
    return publish_step(merchant=merchant, wanted=wanted, at=at, by=by)


@db.inside_transaction
def publish_step(*, merchant: Merchant, wanted: Document, at: datetime, by: str) -> Flow:
    """Do what `publish` does, inside the caller's transaction."""
    Merchant.objects.select_for_update().get(pk=merchant.pk)
    flow = Flow.objects.filter(merchant=merchant, slug=wanted.id).first()
    if flow is None:
        flow = Flow(merchant=merchant, slug=wanted.id, created_at=at)
    said = document.plain(wanted)
    said.pop("on", None)
    if flow.document == said:
        if flow.is_archived:
            flow.is_archived = False
            flow.save()
        return flow
    last = FlowVersion.objects.filter(flow=flow).aggregate(last=Max("number"))["last"] if flow.version else 0
    flow.name, flow.document, flow.version = wanted.name, said, (last or 0) + 1
    flow.is_archived = False
    _watch_dates(flow, wanted, at=at)
    flow.save()
    FlowVersion.objects.create(
        merchant=merchant, flow=flow, number=flow.version, document=said, published_at=at, by=by
    )
    hearing.WISHES.changed()
    return flow


@db.command
def switch(*, flow: Flow, on: bool, at: datetime, by: str) -> int:
    """
    Switch a flow on, or off: off ends what runs at once and takes back what was not sent yet.

    Return how many runs ended. Repeating changes nothing. Dates are looked for from the day of switching
    on: nobody gets what was due before.

    :raises NotPublished: it has no version yet
    """
    return switch_step(flow=flow, on=on, at=at, by=by)


@db.inside_transaction
def switch_step(*, flow: Flow, on: bool, at: datetime, by: str) -> int:
    """Do what `switch` does, inside the caller's transaction."""
    now = Flow.objects.select_for_update(of=("self",)).select_related("merchant").get(pk=flow.pk)
    if on and not now.version:
        raise NotPublished("This flow has no steps yet: write them first.")
    ended = 0
    if now.is_on != on:
        now.is_on = on
        if on:
            now.scanned_on = None
            _watch_dates(now, document.read(now.document), at=at)
        else:
            ended = _end_all(now, at=at)
        now.save()
        hearing.WISHES.changed()
    flow.is_on = now.is_on
    return ended


@db.inside_transaction
def archive_step(*, flow: Flow, at: datetime, by: str) -> None:
    """Switch a flow off and put it away: its results are kept. Publishing it again brings it back."""
    switch_step(flow=flow, on=False, at=at, by=by)
    now = Flow.objects.get(pk=flow.pk)
    if not now.is_archived:
        now.is_archived = True
        now.save()


def _watch_dates(flow: Flow, wanted: Document, *, at: datetime) -> None:
    """Look for dates from today on, if the flow is on and has some; a scan that is under way goes on."""
    if not flow.is_on or wanted.trigger.kind not in document.ON_A_DATE:
        flow.scanned_on = None
    elif flow.scanned_on is None:
        flow.scanned_on = at.astimezone(flow.merchant.zone).date() - timedelta(days=1)
        flow.scanned_to = 0


def _end_all(flow: Flow, *, at: datetime) -> int:
    live = FlowRun.objects.filter(flow=flow, state=FlowRun.State.WAITING)
    ids = list(live.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        live.filter(pk__in=some).update(state=FlowRun.State.EXITED, ended_reason="switched_off", ended_at=at)
        messages.withdraw(merchant=flow.merchant, at=at, flow_run_ids=some)
    return len(ids)


def shown(flow: Flow) -> dict[str, Any]:
    """Return a flow as a program file says it."""
    # Read again, so that the parts come in the order of a flow and not of the database.
    said = document.plain(document.read(flow.document))
    return {**said, **({"on": True} if flow.is_on else {})}
