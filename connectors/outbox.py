"""
The outbox: what happened, queued once per endpoint and sent until it is taken, or for three days.

How an event survives everything: `queue_for` writes its deliveries in the relay's transaction. `send_due`
takes some of one endpoint with a lease (`next_at` lies ahead while they are sent), in a short transaction;
sends them outside of any, in a thread that never touches the database; then marks them. A worker that dies
in between leaves the lease to run out, and another one sends again: at least once, always under the same id.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from connectors import carriage, endpoints, kinds, payloads
from connectors.carriage import Item, Outcome, Parcel
from connectors.models import WebhookDelivery, WebhookEndpoint
from customers.models import Touchpoint
from lib import db, public_ids
from lib.errors import Refused
from lib.wake import wake
from merchants.models import Merchant

LANES = 16  # endpoints that are sent to at once, by one worker
SHARE = 50  # of one endpoint at a time
LEASE = timedelta(seconds=180)
PATIENCE = timedelta(days=3)
KEEP_BODIES = timedelta(days=30)
DUE = ("queued", "sending", "failed")
MOST_LOGGED = 50


class EndpointOff(Refused):
    """Nothing is sent to an endpoint that is off."""

    code = "endpoint_off"


class BodyGone(Refused):
    """The body was emptied: there is nothing to send again."""

    code = "body_gone"


# --- queueing -------------------------------------------------------------------------------------------


@db.inside_transaction
def queue_for(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Queue what the endpoints want of these touchpoints, in one INSERT. Repeating changes nothing."""
    wanted = {one.merchant_id for one in touchpoints}
    rows = []
    by_merchant = WebhookEndpoint.objects.filter(merchant__in=wanted, is_on=True).select_related("merchant")
    ears: dict[int, list[WebhookEndpoint]] = {}
    for endpoint in by_merchant:
        ears.setdefault(endpoint.merchant_id, []).append(endpoint)
    for merchant_id, told in groupby(
        sorted(touchpoints, key=lambda one: one.merchant_id), key=lambda one: one.merchant_id
    ):
        if merchant_id in ears:
            rows += _rows(list(told), ears[merchant_id], at=at)
    db.insert(WebhookDelivery, rows, on_conflict="(merchant_id, endpoint_id, touchpoint_id) DO NOTHING")
    if rows:
        wake("connectors.tasks.send")


def _rows(
    told: Sequence[Touchpoint], ears: Sequence[WebhookEndpoint], *, at: datetime
) -> list[dict[str, object]]:
    told = [one for one in told if any(one.kind in kinds.wanted(ear.kinds) for ear in ears)]
    people = payloads.people(told)
    rows = []
    for touchpoint in told:
        data = payloads.data_of(touchpoint, people.get(touchpoint.customer_id or 0))
        for ear in ears:
            if touchpoint.kind in kinds.wanted(ear.kinds) and payloads.fits(data, ear.filters):
                body = payloads.body(touchpoint, data, ear)
                rows.append(
                    _row(ear, touchpoint.pk, touchpoint.customer_id, touchpoint.kind, body=body, at=at)
                )
    return rows


def _row(
    endpoint: WebhookEndpoint, event: int, customer: int | None, kind: str, *, body: str, at: datetime
) -> dict[str, object]:
    return {
        "id": public_ids.new(),
        "merchant_id": endpoint.merchant_id,
        "endpoint_id": endpoint.pk,
        "touchpoint_id": event,
        "customer_id": customer,
        "kind": kind,
        "body": body,
        "state": "queued",
        "attempts": 0,
        "next_at": at,
        "last_status": None,
        "excerpt": "",
        "log": [],
        "created_at": at,
        "delivered_at": None,
    }


@db.command
def test(*, endpoint: WebhookEndpoint, at: datetime) -> WebhookDelivery:
    """
    Queue a `webhook.test` event for one endpoint, whatever it listens to.

    :raises EndpointOff: it is off
    """
    if not endpoint.is_on:
        raise EndpointOff("The endpoint is off: switch it on first.")
    number = public_ids.new()
    body = payloads.envelope(
        id=public_ids.show(Touchpoint.prefix, number),
        kind=kinds.TEST,
        at=at.isoformat(),
        sequence=payloads.sequence(number),
        is_test=endpoint.merchant.is_test,
        data={"endpoint": endpoint.public_id},
    )
    row = _row(endpoint, number, None, kinds.TEST, body=body, at=at)
    db.insert(WebhookDelivery, [row])
    wake("connectors.tasks.send")
    return WebhookDelivery(**row)


@db.command
def resend(*, delivery: WebhookDelivery, at: datetime) -> WebhookDelivery:
    """
    Send one again, with the same id and body; one that waits for its next attempt is due now.

    :raises EndpointOff: its endpoint is off
    :raises BodyGone: it is older than 30 days, or its customer was erased
    """
    endpoint = endpoints.lock(delivery.endpoint)
    if not endpoint.is_on:
        raise EndpointOff("The endpoint is off: switch it on first.")
    if not _renew(WebhookDelivery.objects.filter(pk=delivery.pk, endpoint=endpoint), at=at):
        current = WebhookDelivery.objects.get(pk=delivery.pk)
        if not current.body:
            raise BodyGone("What it said is no longer kept.")
    return WebhookDelivery.objects.get(pk=delivery.pk)


@db.command
def resend_all(*, deliveries: Iterable[WebhookDelivery], at: datetime) -> int:
    """Send these again as far as they can be; return how many. One statement."""
    ids = [one.pk for one in deliveries]
    return _renew(WebhookDelivery.objects.filter(pk__in=ids, endpoint__is_on=True), at=at)


def _renew(rows: "QuerySet[WebhookDelivery]", *, at: datetime) -> int:
    # What is under a lease is on its way already.
    count = (
        rows.exclude(state="sending")
        .exclude(body="")
        .update(state="queued", attempts=0, next_at=at, delivered_at=None)
    )
    if count:
        wake("connectors.tasks.send")
    return count


# --- sending --------------------------------------------------------------------------------------------


def send_due(
    *,
    at: datetime,
    merchant: Merchant | None = None,
    limit: int = 1_000,
    until: datetime | None = None,
) -> int:
    """
    Send what is due, to many endpoints at once; return how many attempts were made.

    Any number of workers may do so at once. An endpoint that is slow or fails holds up only its own: it is
    left alone until the next call, and takes no more than half of the lanes.
    """
    clock = _running(at)
    made, rested = 0, set[int]()
    running: dict[Future[list[Outcome]], Parcel] = {}
    with ThreadPoolExecutor(LANES, thread_name_prefix="webhooks") as lanes:
        while True:
            is_over = made >= limit or (until is not None and clock() >= until)
            if not is_over:
                busy = [parcel.endpoint for parcel in running.values()]
                for parcel in _parcels(busy, rested, merchant=merchant, clock=clock):
                    running[lanes.submit(carriage.carry, parcel, clock)] = parcel
            if not running:
                return made
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                parcel, outcomes = running.pop(future), future.result()
                _mark(parcel, outcomes, at=clock())
                made += len(outcomes)
                if len(outcomes) < len(parcel.items) or not any(one.is_delivered for one in outcomes):
                    rested.add(parcel.endpoint.pk)


def _running(at: datetime) -> Callable[[], datetime]:
    """Return a clock that shows `at` now and goes on from there."""
    began = time.monotonic()
    return lambda: at + timedelta(seconds=time.monotonic() - began)


def _parcels(
    busy: Sequence[WebhookEndpoint],
    rested: set[int],
    *,
    merchant: Merchant | None,
    clock: Callable[[], datetime],
) -> Iterator[Parcel]:
    """Yield a parcel for each free lane, healthy endpoints first."""
    free = LANES - len(busy)
    failing = sum(1 for one in busy if one.failing_since)
    if free <= 0:
        return
    waits = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state__in=DUE, next_at__lte=clock())
    rows = WebhookEndpoint.objects.filter(Exists(waits), is_on=True, merchant__is_active=True)
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    rows = rows.exclude(pk__in=[*rested, *(one.pk for one in busy)])
    for endpoint in rows.order_by(F("failing_since").asc(nulls_first=True), "pk")[:free]:
        if endpoint.failing_since:
            failing += 1
            if failing > LANES // 2:
                return
        items = _claim(endpoint, at=clock())
        if items:
            secrets = endpoints.good_secrets(endpoint, at=clock())
            yield Parcel(endpoint, items, tuple(secrets))


@db.command
def _claim(endpoint: WebhookEndpoint, *, at: datetime) -> list[Item]:
    """Put the oldest that are due under a lease."""
    rows = db.ask(
        "SELECT d.id, d.touchpoint_id, d.body, d.attempts, d.state, d.next_at, d.log "
        "FROM connectors_webhookdelivery d WHERE d.endpoint_id = %s "
        "AND d.state IN ('queued', 'sending', 'failed') AND d.next_at <= %s "
        f"ORDER BY d.next_at, d.id LIMIT {SHARE}" + db.for_update("d", skip_locked=True),
        [endpoint.pk, at],
    ).rows
    items = [
        Item(
            id=number,
            event=public_ids.show(Touchpoint.prefix, event),
            body=body,
            attempts=attempts,
            next_at=db.time(next_at) or at,
            log=db.loaded(log) or [],
        )
        for number, event, body, attempts, _, next_at, log in rows
    ]
    WebhookDelivery.objects.filter(pk__in=[item.id for item in items]).update(
        state="sending", next_at=at + LEASE
    )
    return items


@db.command
def _mark(parcel: Parcel, outcomes: Sequence[Outcome], *, at: datetime) -> None:
    """Write what became of each attempt; let go of what was not tried; say how the endpoint is."""
    tried = [_tried(item, outcome, at=at) for item, outcome in zip(parcel.items, outcomes, strict=False)]
    # The race: our lease ran out, and another worker has sent it meanwhile: what it wrote stays.
    theirs = "AND connectors_webhookdelivery.state = 'sending'"
    db.update(WebhookDelivery, tried, key=["id"], extra=theirs)
    left = [
        {"id": one.id, "state": "failed" if one.attempts else "queued", "next_at": one.next_at}
        for one in parcel.items[len(outcomes) :]
    ]
    db.update(WebhookDelivery, left, key=["id"], extra=theirs)
    mine = WebhookEndpoint.objects.filter(pk=parcel.endpoint.pk)
    if any(one.status == carriage.GONE for one in outcomes):
        _switch_off(mine.filter(is_on=True), "gone", at=at)
    elif any(one.is_delivered for one in outcomes):
        mine.exclude(failing_since=None).update(failing_since=None)
    elif outcomes:
        mine.filter(is_on=True).update(failing_since=Coalesce(F("failing_since"), at))
        _switch_off(mine.filter(is_on=True, failing_since__lte=at - PATIENCE), "failing", at=at)


def _switch_off(rows: "QuerySet[WebhookEndpoint]", reason: str, *, at: datetime) -> None:
    if rows.update(is_on=False, disabled_at=at, disabled_reason=reason, notified_at=None):
        endpoints.WISHES.changed()
        wake("connectors.tasks.tell_of_endpoints")


def _tried(item: Item, outcome: Outcome, *, at: datetime) -> dict[str, object]:
    attempts = item.attempts + 1
    pause = None if outcome.is_delivered else carriage.pause(attempts, outcome)
    state = "delivered" if outcome.is_delivered else "dead" if pause is None else "failed"
    line = {"at": at.isoformat(), "status": outcome.status, "ms": outcome.ms, "note": outcome.note}
    return {
        "id": item.id,
        "state": state,
        "attempts": attempts,
        "next_at": at + (pause or timedelta(0)),
        "last_status": outcome.status,
        "excerpt": outcome.excerpt,
        "log": [*item.log, line][-MOST_LOGGED:],
        "delivered_at": at if outcome.is_delivered else None,
    }


# --- forgetting -----------------------------------------------------------------------------------------


@db.command
def empty_bodies(*, at: datetime, limit: int = 5_000) -> int:
    """Forget what was said, and answered, 30 days ago; that it was sent stays in the log."""
    old = WebhookDelivery.objects.filter(id__lt=public_ids.first_of(at - KEEP_BODIES)).exclude(body="")
    return empty(WebhookDelivery.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])))


@db.inside_transaction
def empty(rows: "QuerySet[WebhookDelivery]") -> int:
    """Empty these deliveries; what was not delivered is given up. Return how many there were."""
    numbers = list(rows.values_list("pk", flat=True))
    theirs = WebhookDelivery.objects.filter(pk__in=numbers)
    theirs.filter(state__in=DUE).update(state="dead")
    return theirs.update(body="", excerpt="")
