"""
What providers tell afterwards: delivered, bounced, called spam, unsubscribed.

Told twice or in any order it comes to the same: a bounce or a complaint outweighs a delivery, and the
contact is suppressed once.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from customers import journey
from engagement import claims, deciding, subscriptions
from engagement.models import Message, Suppression
from lib import db, public_ids

# Anymail's names of what a provider tells, and what they mean here.
BECOMES = {
    "delivered": Message.Status.DELIVERED,
    "bounced": Message.Status.BOUNCED,
    "rejected": Message.Status.BOUNCED,
    "complained": Message.Status.COMPLAINED,
}
# Each may take the place of those that stand before it.
ORDER = ("unknown", "sending", "sent", "delivered", "bounced", "complained")
FOR_GOOD = ("bounced", "invalid", "blocked", "spam")


def heard(sender: Any, event: Any, esp_name: str, **more: Any) -> None:
    """Hear anymail's signal: its webhook has checked the secret or the provider's signature."""
    metadata = getattr(event, "metadata", None) or {}
    tell(
        message=find(shown=str(metadata.get("message", "")), provider_id=event.message_id or ""),
        event=event.event_type or "",
        reason=event.reject_reason or "",
        at=event.timestamp or timezone.now(),
    )


def find(*, shown: str, provider_id: str) -> Message | None:
    """Return the message a provider speaks of: by the number we gave with it, else by the provider's own."""
    number = public_ids.read(Message.prefix, shown)
    rows = Message.objects.select_related("merchant", "customer__merged_into", "customer__merchant")
    if number is not None:
        return rows.filter(pk=number).first()
    return rows.filter(provider_id=provider_id).first() if provider_id else None


@db.command
def tell(*, message: Message | None, event: str, reason: str = "", at: datetime) -> None:
    """Write down what became of a message. One that is not ours, and what we do not use, change nothing."""
    if message is None:
        return
    if event == "unsubscribed":
        subscriptions.withdraw_answer(message, at=at)
        return
    status = BECOMES.get(event)
    if status is None:
        return
    earlier = ORDER[: ORDER.index(status)]
    changed = Message.objects.filter(pk=message.pk, status__in=earlier).update(
        status=status, **({"delivered_at": at} if status == Message.Status.DELIVERED else {})
    )
    if status == Message.Status.COMPLAINED:
        subscriptions.suppress_hash(message, reason=Suppression.Reason.COMPLAINED, at=at)
        subscriptions.withdraw_answer(message, at=at)
    elif status == Message.Status.BOUNCED and (reason in FOR_GOOD or not reason):
        subscriptions.suppress_hash(message, reason=Suppression.Reason.BOUNCED, at=at)
    if changed and status in (Message.Status.BOUNCED, Message.Status.COMPLAINED):
        journey.note(
            customer=deciding.who(message),
            kind=f"message.{status}",
            at=at,
            channel=message.channel,
            data=claims.about(message),
        )
