"""
The rows of messages that are being sent: taken, started and settled, each in a short transaction of its own.

`engagement.messages` tells why it is done in this order; this is the only place that moves a message's status.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customers import journey
from engagement.deciding import COUNTED, DAY, SILENT, WEEK, Later, NotSent, Send
from engagement.models import ChannelSettings, Message
from engagement.templates import Rendered
from lib import db
from merchants.models import Merchant

# A batch is decided and then sent one by one: a worker that dies holds up the rest of it no longer than this.
LEASE = timedelta(seconds=120)
# Longer than a provider may take to answer: afterwards nobody can say whether the message was sent.
SENDING_LEASE = timedelta(seconds=180)
MOST_TRIES = 8
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30, 3600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt: the new status and what goes with it."""

    message: Message
    attempt: int
    status: str
    at: datetime
    reason: str = ""
    error: str = ""
    provider_id: str = ""
    due_at: datetime | None = None


@db.command
def give_up(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Show what was being sent by a worker that died as unknown; return how many there were."""
    lost = Message.objects.filter(status=Message.Status.SENDING, claimed_until__lte=at)
    if merchant is not None:
        lost = lost.filter(merchant=merchant)
    return lost.update(status=Message.Status.UNKNOWN, claimed_until=None, ended_at=at)


@db.command
def take(*, at: datetime, merchant: Merchant | None, limit: int) -> list[Message]:
    """
    Take the messages that are due the longest under a lease, and return them.

    What another worker holds is skipped, and what waits for a paused channel or campaign stays where it is.
    """
    ours = "AND m.merchant_id = %s" if merchant is not None else ""
    rows = db.ask(
        "SELECT m.id FROM engagement_message m WHERE m.status = 'queued' AND m.due_at <= %s "
        f"AND (m.claimed_until IS NULL OR m.claimed_until <= %s) {ours} "
        "AND NOT EXISTS (SELECT 1 FROM engagement_channelsettings c WHERE c.merchant_id = m.merchant_id "
        "AND c.kind = m.channel AND c.paused_until > %s) "
        # One that was on the line when its campaign was paused, and was not taken. All others are due later.
        "AND (m.campaign_id IS NULL OR NOT EXISTS (SELECT 1 FROM engagement_campaign p "
        "WHERE p.id = m.campaign_id AND p.state IN ('paused', 'stopped'))) "
        f"ORDER BY m.due_at, m.id LIMIT {int(limit)}" + db.for_update("m", skip_locked=True),
        [at, at, *([merchant.pk] if merchant is not None else []), at],
    ).rows
    ids = [number for (number,) in rows]
    if not ids:
        return []
    where, params = db.any_of("id", "bigint", ids)
    db.ask(f"UPDATE engagement_message SET claimed_until = %s WHERE {where}", [at + LEASE, *params])
    return load(ids)


def load(ids: Sequence[int]) -> list[Message]:
    """Return these messages with their people, by merchant and channel, so that a line is used for many."""
    related = ("merchant", "customer__merged_into__merchant", "customer__merchant")
    return list(
        Message.objects.filter(pk__in=ids)
        .select_related(*related)
        .order_by("channel", "merchant_id", "due_at", "pk")
    )


@db.command
def release(messages: Sequence[Message]) -> None:
    """Give back what was taken and not looked at."""
    Message.objects.filter(pk__in=[one.pk for one in messages], status=Message.Status.QUEUED).update(
        claimed_until=None
    )


@db.command
def put_off(decided: Sequence[tuple[Message, NotSent | Later]], *, at: datetime) -> None:
    """Write down what is not sent, or not now, and why: one statement for all of a batch."""
    rows = [
        {
            "id": message.pk,
            "status": "queued" if isinstance(decision, Later) else "not_sent",
            "reason": decision.reason,
            "due_at": decision.due_at if isinstance(decision, Later) else message.due_at,
            "ended_at": None if isinstance(decision, Later) else at,
            "claimed_until": None,
        }
        for message, decision in decided
    ]
    # Without a claim it was taken away meanwhile: its campaign is paused, and nothing may make it due again.
    is_ours = f"AND {_TABLE}.status = 'queued' AND {_TABLE}.claimed_until IS NOT NULL"
    db.update(Message, rows, key=["id"], extra=is_ours)


@db.command
def step(
    *,
    done: Outcome | None,
    message: Message | None,
    send: Send | None,
    rendered: Rendered | None,
    at: datetime,
) -> bool:
    """
    Settle the message before and start the next one, in one commit; tell whether the next may be sent.

    It may not when it is no longer ours, or when consent, suppression, a cap or the person's leaving came
    between the decision and now: then it stays queued, to be decided anew.
    """
    answer = None
    with db.together():
        if done is not None:
            _settle(done)
        if message is not None and send is not None and rendered is not None:
            answer = _start(message, send, rendered, at=at)
    started = answer.one if answer is not None else None
    if message is None or started is None:
        return False
    message.attempts = started[0]
    return True


def _start(message: Message, send: Send, rendered: Rendered, *, at: datetime) -> db.Answer:
    if send.limits is not None and db.is_postgres():
        # The race: two workers with two messages to one customer, both below the cap.
        db.ask("SELECT 1 FROM customers_customer WHERE id = %s FOR NO KEY UPDATE", [send.customer.pk])
    guards, params = _guards(message, send, at=at)
    return db.ask(
        f"UPDATE {_TABLE} SET status = 'sending', reason = '', error = '', attempts = attempts + 1, "
        "started_at = %s, claimed_until = %s, contact_hash = %s, subject = %s, text = %s "
        f"WHERE id = %s AND status = 'queued' AND claimed_until IS NOT NULL AND {guards} RETURNING attempts",
        [
            at,
            at + SENDING_LEASE,
            send.contact_hash,
            rendered.subject[:200],
            rendered.text,
            message.pk,
            *params,
        ],
    )


_TABLE = '"engagement_message"'


def _guards(message: Message, send: Send, *, at: datetime) -> tuple[str, list[Any]]:
    """Return the conditions under which a decision still holds, in SQL: they are asked when it starts."""
    parts = ["EXISTS (SELECT 1 FROM customers_customer c WHERE c.id = %s AND c.status = 'active')"]
    params: list[Any] = [send.customer.pk]
    if send.contact_hash:
        parts.append(
            "NOT EXISTS (SELECT 1 FROM engagement_suppression s "
            "WHERE s.merchant_id = %s AND s.channel = %s AND s.contact_hash = %s)"
        )
        params += [message.merchant_id, message.channel, send.contact_hash]
    if send.needs_yes or send.refusable:
        # Whether it was confirmed was decided before; that it was not taken back is what counts now.
        parts.append(
            "COALESCE((SELECT a.granted FROM customers_consent a WHERE a.customer_id = %s AND a.channel = %s "
            f"AND a.purpose = %s ORDER BY a.at DESC, a.id DESC LIMIT 1), {'false' if send.needs_yes else 'true'})"
        )
        params += [send.customer.pk, send.consent, message.purpose]
    if send.limits is not None:
        states = ", ".join(f"'{state}'" for state in COUNTED)
        for most, since in ((send.limits.per_day, at - DAY), (send.limits.per_week, at - WEEK)):
            parts.append(
                "(SELECT count(*) FROM engagement_message o WHERE o.customer_id = %s AND o.started_at > %s "
                f"AND o.status IN ({states}) AND o.purpose <> 'transactional' AND o.channel <> '{SILENT}') < %s"
            )
            params += [send.customer.pk, since, most]
    return " AND ".join(parts), params


@db.command
def settle(done: Outcome) -> None:
    """Write down what became of an attempt."""
    _settle(done)


def _settle(done: Outcome) -> None:
    # Only this attempt's: a worker that was thought dead must not overwrite what came after it. It may tell
    # what is unknown, because it knows.
    db.ask(
        f"UPDATE {_TABLE} SET status = %s, reason = %s, error = %s, provider_id = %s, claimed_until = NULL, "
        "due_at = %s, ended_at = %s, delivered_at = %s "
        "WHERE id = %s AND attempts = %s AND status IN ('sending', 'unknown')",
        [
            done.status,
            done.reason,
            done.error[:500],
            done.provider_id[:200],
            done.due_at or done.message.due_at,
            None if done.status == "queued" else done.at,
            done.at if done.status == "delivered" else None,
            done.message.pk,
            done.attempt,
        ],
    )
    # Also when the row has moved on meanwhile: it was sent, and that is what the diary keeps.
    if done.status in ("sent", "delivered"):
        _note(done)


def _note(done: Outcome) -> None:
    message = done.message
    journey.note_all(
        [
            journey.row(
                merchant_id=message.merchant_id,
                customer_id=message.customer_id,
                kind="message.sent",
                at=done.at,
                now=done.at,
                channel=message.channel,
                data=about(message),
            )
        ]
    )


def about(message: Message) -> dict[str, Any]:
    """Return what a touchpoint says about a message."""
    return {
        "message": message.public_id,
        "template": message.template,
        "purpose": message.purpose,
        "flow_run_id": message.flow_run_id,
        "campaign_id": message.campaign_id,
        "arm": message.arm,
    }


@db.command
def fail(message: Message, *, error: str, at: datetime) -> None:
    """Give a message up that cannot even be written, like one whose text names a value that is missing."""
    Message.objects.filter(pk=message.pk, status=Message.Status.QUEUED).update(
        status=Message.Status.FAILED, error=error[:500], ended_at=at, claimed_until=None
    )


def pause_seconds(tries: int) -> int:
    """Return how long to wait after so many tries."""
    return int(min(FIRST_PAUSE_SECONDS * 2 ** max(tries - 1, 0), LONGEST_PAUSE_SECONDS))


@db.command
def pause(message: Message, *, error: str, at: datetime) -> None:
    """Let a merchant's channel rest: its provider is down. A little longer each time."""
    row, _made = ChannelSettings.objects.select_for_update().get_or_create(
        merchant_id=message.merchant_id, kind=message.channel
    )
    row.pauses = min(row.pauses + 1, 20)
    row.paused_until = at + timedelta(seconds=pause_seconds(row.pauses))
    row.error = error[:500]
    row.save(update_fields=["pauses", "paused_until", "error"])


@db.command
def resume(settings: ChannelSettings) -> None:
    """Forget the pauses of a channel whose provider answers again."""
    ChannelSettings.objects.filter(pk=settings.pk).update(pauses=0, paused_until=None, error="")
