"""
What we say to customers: queued as rows in the transaction of what caused it, sent later, once.

How a message is sent at most once, whatever dies when:

1. It is queued once for ever: unique per merchant, key and channel.
2. A worker takes a batch under a lease, in a short transaction, skipping what another one holds.
3. For each message it decides, and commits `sending` with the number of the attempt and a lease. Only then
   does the first byte leave. Consent, suppression, caps and whether the person is still there are asked
   again in that statement: whoever unsubscribes during a batch gets nothing more.
4. The outcome is committed together with the next message's `sending`.

A worker that dies before 3 leaves a queued message, which another one sends. One that dies between 3 and 4
leaves `sending` behind; when its lease is over nobody can know whether the provider had said yes, so it is
shown as `unknown`, and only a person sends it again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import Q

from customers.models import Customer
from engagement.models import Message, Template
from engagement.sending import send_due
from lib import db, public_ids
from lib.wake import wake
from merchants.models import Merchant

__all__ = ["Draft", "queue_all", "resend", "send_due", "withdraw"]

Purpose = Literal["transactional", "marketing", "service"]
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Draft:
    """
    One thing to say. `key` names flow, instance and step: the same key and channel is said once for ever.

    `data` are flat values for the text. `arm` tells the variants of an experiment apart; of the arm
    `holdout` nothing is sent, and the row says so.
    """

    customer: Customer
    key: str
    channel: str
    template: Template | str
    data: Mapping[str, Any]
    purpose: Purpose
    due_at: datetime
    flow_run_id: int | None = None
    campaign_id: int | None = None
    arm: str = ""


@db.inside_transaction
def queue_all(drafts: Sequence[Draft], *, at: datetime) -> int:
    """Queue messages, many in one statement; return how many are new. One that was queued before stays as it is."""
    count = 0
    for start in range(0, len(drafts), CHUNK):
        source, params = db.given(_COLUMNS, [_row(draft, at=at) for draft in drafts[start : start + CHUNK]])
        names = ", ".join(_COLUMNS)
        answer = db.ask(
            f"INSERT INTO engagement_message ({names}, status, reason, error, attempts, contact_hash, provider_id, "
            f"subject, text) SELECT {names}, 'queued', '', '', 0, '', '', '', '' FROM {source} WHERE true "
            "ON CONFLICT (key, merchant_id, channel) DO NOTHING RETURNING 1",
            params,
        )
        count += len(answer.rows)
    if count and any(draft.due_at <= at for draft in drafts):
        wake("engagement.tasks.send")
    return count


_COLUMNS = {
    "id": "bigint",
    "merchant_id": "bigint",
    "customer_id": "bigint",
    "key": "varchar",
    "channel": "varchar",
    "template": "varchar",
    "purpose": "varchar",
    "data": "jsonb",
    "arm": "varchar",
    "flow_run_id": "bigint",
    "campaign_id": "bigint",
    "due_at": "timestamptz",
    "created_at": "timestamptz",
}


def _row(draft: Draft, *, at: datetime) -> list[Any]:
    template = draft.template.name if isinstance(draft.template, Template) else draft.template
    return [
        public_ids.new(),
        draft.customer.merchant_id,
        draft.customer.pk,
        draft.key,
        draft.channel,
        template,
        draft.purpose,
        dict(draft.data),
        draft.arm,
        draft.flow_run_id,
        draft.campaign_id,
        draft.due_at,
        at,
    ]


@db.inside_transaction
def withdraw(
    *,
    merchant: Merchant,
    at: datetime,
    reason: Literal["paused", "unsubscribed", "erased", "expired", "holdout"] = "paused",
    flow_run_ids: Sequence[int] = (),
    campaign_id: int | None = None,
    keys: Sequence[str] = (),
) -> int:
    """
    Do not send what waits for these flow runs, this campaign or these keys; return how many messages.

    What is being sent or was sent stays what it is. Repeating changes nothing.
    """
    waiting = Message.objects.filter(merchant=merchant, status=Message.Status.QUEUED)
    wanted = Q(flow_run_id__in=flow_run_ids) | Q(key__in=keys)
    if campaign_id is not None:
        wanted |= Q(campaign_id=campaign_id)
    return waiting.filter(wanted).update(
        status=Message.Status.NOT_SENT, reason=reason, ended_at=at, claimed_until=None
    )


@db.command
def resend(*, message: Message, at: datetime) -> bool:
    """
    Send a message again that failed, or of which nobody knows; False when it is neither.

    Only a person decides this: of an unknown one the customer may have got it already.
    """
    again = Message.objects.filter(pk=message.pk, status__in=(Message.Status.UNKNOWN, Message.Status.FAILED))
    is_again = again.update(status=Message.Status.QUEUED, reason="", error="", due_at=at, ended_at=None)
    if is_again:
        wake("engagement.tasks.send")
    return bool(is_again)
