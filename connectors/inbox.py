"""
The inbox: messages of other machines, stored first, worked through later, each until it is settled.

How a message survives everything: `store` is one statement. `drain` takes a batch with a lease
(`claimed_until`), in a short transaction of its own; then it runs the commands, each of which owns its
transaction and is repeatable by its reference; then it marks the batch. A worker that dies in between
leaves the lease to run out, and another one repeats the whole batch, harmlessly: what was recorded
answers as replayed, the rest is recorded. So no transaction spans the batch, and nothing is done twice.
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError

from connectors import posting
from connectors.batch import Inbound, Outcome
from connectors.connections import Door, source_of
from connectors.models import Connection, InboundEvent
from connectors.sources.base import Envelope
from lib import db, public_ids
from lib.wake import wake
from merchants.models import Merchant

BATCH = 500
LEASE = timedelta(seconds=120)
MOST_TRIES = 12
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10, 3600
KEEP_BODIES = timedelta(days=30)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the messages of one drain."""

    done: int = 0
    ignored: int = 0
    attention: int = 0
    waiting: int = 0
    failed: int = 0

    @property
    def taken(self) -> int:
        return self.done + self.ignored + self.attention + self.waiting + self.failed

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def store(*, door: Door, envelope: Envelope, body: str, at: datetime) -> bool:
    """Keep a message; False when its id came before. One statement, which is its own transaction."""
    answer = db.ask(
        _STORE,
        [
            public_ids.new(),
            door.merchant_id,
            door.id,
            envelope.event_id,
            envelope.type,
            body,
            envelope.occurred_at,
            at,
            at + timedelta(seconds=envelope.wait_seconds) if envelope.wait_seconds else at,
        ],
    )
    is_new = answer.count == 1
    if is_new:
        wake("connectors.tasks.drain")
    return is_new


_STORE = """
    INSERT INTO connectors_inboundevent (id, merchant_id, connection_id, event_id, type, body, status, tries,
        error, occurred_at, received_at, due_at)
    VALUES (%s, %s, %s, %s, %s, %s, 'waiting', 0, '', %s, %s, %s)
    ON CONFLICT (merchant_id, connection_id, event_id) DO NOTHING
    """


def drain(*, at: datetime, merchant: Merchant | None = None, limit: int = BATCH) -> Counts:
    """
    Work through at most `limit` messages that are due; say what became of them.

    Call it again until `taken` is 0. Any number of workers may drain at once: each message is one's.
    Nothing a message holds makes this raise; a database that is gone does, and its messages stay due.
    """
    counts = Counts()
    for connection, events in _claim(at=at, merchant=merchant, limit=limit):
        counts += _mark(events, _settle(connection, events, at=at), at=at)
    return counts


@db.command
def _claim(*, at: datetime, merchant: Merchant | None, limit: int) -> list[tuple[Connection, list[Inbound]]]:
    """Take the messages that are due the longest and put them under a lease; return them by connection."""
    ours = "AND merchant_id = %s" if merchant is not None else ""
    # A try is counted when it begins: a message that kills its worker is given up as well.
    rows = db.ask(
        f"""
        WITH due AS {"MATERIALIZED" if db.is_postgres() else ""} (
            SELECT id AS number FROM connectors_inboundevent
            WHERE status = 'waiting' AND due_at <= %s AND (claimed_until IS NULL OR claimed_until <= %s) {ours}
            ORDER BY due_at, id LIMIT {int(limit)}{db.for_update("connectors_inboundevent", skip_locked=True)}
        )
        UPDATE connectors_inboundevent SET claimed_until = %s, tries = tries + 1
        FROM due WHERE id = due.number
        RETURNING due_at, id, connection_id, event_id, type, body, tries, occurred_at
        """,
        [at, at, *([merchant.pk] if merchant is not None else []), at + LEASE],
    ).rows
    if not rows:
        return []
    found: dict[int, list[Inbound]] = {}
    for _, number, connection_id, event_id, type, body, tries, occurred_at in sorted(rows):
        event = Inbound(number, event_id, type, body, tries, db.time(occurred_at) or at)
        found.setdefault(connection_id, []).append(event)
    connections = Connection.objects.select_related("merchant", "store").in_bulk(list(found))
    return [(connections[number], events) for number, events in found.items()]


def _settle(connection: Connection, events: list[Inbound], *, at: datetime) -> list[Outcome]:
    """
    Post new messages together, and one by one what was tried before or what broke together: a poisonous
    message harms only itself, even one that kills its worker.
    """
    source = source_of(connection.kind)
    if source is None:
        return [Outcome.attention(f"There is no source of kind {connection.kind} here.")] * len(events)
    post = partial(posting.post, connection=connection, source=source, at=at)
    fresh = [event for event in events if event.tries == 1]
    settled = dict(zip((event.id for event in fresh), _together(post, fresh), strict=False))
    for event in events:
        if event.id not in settled:
            settled[event.id] = _alone(post, event)
    return [settled[event.id] for event in events]


Post = Callable[..., list[Outcome]]


def _together(post: Post, events: list[Inbound]) -> list[Outcome]:
    """Return nothing when the batch broke."""
    try:
        return post(events=events) if events else []
    except Exception as error:
        if isinstance(error, DatabaseError) and not _is_database_there():
            raise
        log.exception("a batch of %s messages broke; they are tried one by one", len(events))
        return []


def _alone(post: Post, event: Inbound) -> Outcome:
    try:
        return post(events=[event])[0]
    except Exception as error:
        if isinstance(error, DatabaseError) and not _is_database_there():
            raise
        log.exception("message %s broke", event.event_id)
        return Outcome.again(f"{type(error).__name__}: {error}")


def _is_database_there() -> bool:
    try:
        return db.ask("SELECT 1").one is not None
    except DatabaseError:
        return False


@db.command
def _mark(events: Sequence[Inbound], outcomes: Sequence[Outcome], *, at: datetime) -> Counts:
    """Write what became of each message: one statement for those that are done, one for the others."""
    counts = Counts()
    done: list[tuple[int]] = []
    others = []
    for event, outcome in zip(events, outcomes, strict=True):
        settled = _settled(event, outcome)
        counts += replace(Counts(), **{settled.status: 1})
        if settled.status == "done" and not settled.error:
            done.append((event.id,))
        else:
            others.append(_row(event, settled, at=at))
    if done:
        source, params = db.given({"id": "bigint"}, done)
        db.ask(
            "UPDATE connectors_inboundevent SET status = 'done', error = '', done_at = %s, "
            f"claimed_until = NULL WHERE id IN (SELECT given.id FROM {source})",
            [at, *params],
        )
    db.update(InboundEvent, others, key=["id"])
    return counts


def _settled(event: Inbound, outcome: Outcome) -> Outcome:
    if outcome.status != "waiting" or event.tries < MOST_TRIES:
        return outcome
    return replace(outcome, status="ignored" if outcome.may_end else "failed")


def _row(event: Inbound, outcome: Outcome, *, at: datetime) -> dict[str, Any]:
    is_final = outcome.status in ("done", "ignored")
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (event.tries - 1), LONGEST_PAUSE_SECONDS)
    # Up to a tenth more, so that what broke together does not come back together.
    seconds = outcome.after_seconds or pause * (1 + random.random() / 10)
    return {
        "id": event.id,
        "status": outcome.status,
        "error": outcome.error[:2000],
        "due_at": at + timedelta(seconds=seconds),
        "claimed_until": None,
        "done_at": at if is_final else None,
    }


@db.command
def try_again(*, events: Iterable[InboundEvent], at: datetime) -> int:
    """Let messages that failed, were not used, or need attention be due now; return how many there were."""
    return (
        InboundEvent.objects.filter(
            pk__in=[event.pk for event in events],
            status__in=["failed", "attention", "ignored"],
        )
        .exclude(body="")
        .update(status="waiting", tries=0, due_at=at, claimed_until=None, error="", done_at=None)
    )


@db.command
def empty_bodies(*, at: datetime, limit: int = 5_000) -> int:
    """Forget what settled messages said 30 days ago; that they came stays known for ever."""
    old = InboundEvent.objects.filter(
        status__in=["done", "ignored"], id__lt=public_ids.first_of(at - KEEP_BODIES)
    ).exclude(body="")
    return InboundEvent.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:limit])).update(body="")
