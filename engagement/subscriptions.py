"""
The ways out: one click in any message, without signing in, at once; and who must not be written to at all.

The link of a message carries its number and a keyed hash of it: whoever has the message may stop more like
it, and nothing else.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from customers import consent
from customers.models import Customer
from engagement import deciding
from engagement.channels import CHANNELS
from engagement.models import Message, Suppression
from lib import db, public_ids
from lib.errors import NotFound
from lib.signing import fingerprint
from merchants.models import Merchant

TOKEN_LETTERS = 32
# What a customer may choose on each channel.
PURPOSES = ("marketing", "service")


class UnknownLink(NotFound):
    code = "unknown_link"


def token(message: Message) -> str:
    """Return what the links in a message are recognized by."""
    return f"{message.public_id}.{_signature(message.pk)}"


def link(message: Message) -> str:
    """Return the address that stops messages like this one: a page to people, one click to mail programs."""
    return f"{settings.BASE_URL}/{message.merchant.slug}/stop/{token(message)}"


def links(message: Message) -> dict[str, str]:
    """Return the values of a text's ways out."""
    address = link(message)
    return {"unsubscribe_url": address, "preferences_url": f"{address}#choices"}


def find(*, merchant: Merchant, token: str) -> Message:
    """
    Return the message whose link this is.

    :raises UnknownLink: the link is not ours, or another merchant's
    """
    shown, _dot, signature = token.partition(".")
    number = public_ids.read(Message.prefix, shown)
    if number is None or not hmac.compare_digest(signature.encode(), _signature(number).encode()):
        raise UnknownLink(_("This link is not complete. Please open it from the message again."))
    found = (
        Message.objects.filter(merchant=merchant, pk=number)
        .select_related("merchant", "customer__merged_into", "customer__merchant")
        .first()
    )
    if found is None or deciding.who(found).status == Customer.Status.ERASED:
        raise UnknownLink(_("This link is no longer valid."))
    return found


@db.command
def stop(*, message: Message, at: datetime) -> None:
    """Take back the yes to what this message was, at once: what waits for it is not sent. Repeating is harmless."""
    withdraw_answer(message, at=at)


@db.inside_transaction
def withdraw_answer(message: Message, *, at: datetime) -> None:
    """Take back the yes to what a message was, in the caller's transaction."""
    channel = CHANNELS[message.channel]
    purpose = message.purpose if message.purpose in PURPOSES else "marketing"
    _answer(
        deciding.who(message), {(channel.consent or "email", purpose): False}, at=at, source="unsubscribe"
    )


@db.command
def choose(*, customer: Customer, answers: Mapping[tuple[str, str], bool], at: datetime, source: str) -> None:
    """Record a customer's answers per channel and purpose; what was refused and waits is not sent."""
    _answer(customer, answers, at=at, source=source)


def _answer(
    customer: Customer, answers: Mapping[tuple[str, str], bool], *, at: datetime, source: str
) -> None:
    for (channel, purpose), granted in answers.items():
        consent.record(
            customer=customer,
            channel=channel,
            purpose=purpose,
            granted=granted,
            at=at,
            source=source,
            wording=wording(customer.merchant, channel, purpose) if granted else "",
        )
        if not granted:
            _withdraw(customer, channel, purpose, at=at)


def _withdraw(customer: Customer, channel: str, purpose: str, *, at: datetime) -> None:
    # Asked again when each is sent; this only says at once, in the list, why it will not be.
    kinds = [kind for kind, one in CHANNELS.load().items() if one.consent == channel]
    Message.objects.filter(
        merchant=customer.merchant_id,
        customer=customer,
        channel__in=kinds,
        purpose=purpose,
        status=Message.Status.QUEUED,
    ).update(status=Message.Status.NOT_SENT, reason="unsubscribed", ended_at=at, claimed_until=None)


def wording(merchant: Merchant, channel: str, purpose: str) -> str:
    """Return the sentence a customer says yes to, in the language that is active; it is kept with the answer."""
    name = {
        "email": _("by e-mail"),
        "sms": _("by text message"),
        "push": _("on my device"),
        "post": _("by post"),
    }
    if purpose == "marketing":
        text = _("%(shop)s may send me news and offers %(way)s. I can stop this at any time.")
    else:
        text = _("%(shop)s may tell me %(way)s about my points, rewards and purchases.")
    return text % {"shop": merchant.name, "way": name.get(channel, channel)}


@db.inside_transaction
def suppress(
    *, merchant: Merchant, channel: str, contact: str, reason: str, at: datetime, by: str = ""
) -> Suppression:
    """Write to this contact no more, whoever has it; return the row. Repeating changes nothing."""
    place = deciding.contact_hash(merchant.pk, contact)
    _suppress(merchant.pk, channel, place, hint(contact), reason, at=at, by=by)
    return Suppression.objects.get(merchant=merchant, channel=channel, contact_hash=place)


@db.command
def suppress_bounced(message: Message, contact: str, contact_hash: str, *, at: datetime) -> None:
    """Write no more to the contact of a message that came back for good."""
    _suppress(
        message.merchant_id, message.channel, contact_hash, hint(contact), "bounced", at=at, of=message.pk
    )


@db.inside_transaction
def suppress_hash(message: Message, *, reason: str, at: datetime) -> None:
    """Write no more to the contact a message went to, which is known by its hash only."""
    if message.contact_hash:
        _suppress(
            message.merchant_id, message.channel, message.contact_hash, "", reason, at=at, of=message.pk
        )


def _suppress(
    merchant_id: int,
    channel: str,
    contact_hash: str,
    hint: str,
    reason: str,
    *,
    at: datetime,
    of: int | None = None,
    by: str = "",
) -> None:
    row = {
        "id": public_ids.new(),
        "merchant_id": merchant_id,
        "channel": channel,
        "contact_hash": contact_hash,
        "hint": hint,
        "reason": reason,
        "message_id": of,
        "by": by,
        "at": at,
    }
    db.insert(Suppression, [row], on_conflict="DO NOTHING")


@db.command
def lift(suppression: Suppression) -> None:
    """Allow a contact again, for example because the customer repaired their mailbox."""
    suppression.delete()


def hint(contact: str) -> str:
    """Return what staff recognize a contact by, and nobody else: `a…@example.com` or `…678`."""
    name, at, host = contact.partition("@")
    return f"{name[:1]}…@{host}"[:12] if at else f"…{contact[-3:]}"


def _signature(message_id: int) -> str:
    return fingerprint("stop", str(message_id))[:TOKEN_LETTERS]
