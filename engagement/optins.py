"""
Double opt-in: a yes to e-mail marketing counts once the mailbox itself has said it.

A yes that a till, a shop's server or an import tells is kept as it was told; then a mail asks whether it
was meant, and only the answer from there lets marketing go out. A yes from a page that was reached through
the mailbox (the customer's own page, the link in a message) is confirmed already.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from customers import consent
from customers.models import Consent, Customer, Identifier, Touchpoint
from engagement import deciding, messages
from engagement.messages import Draft
from engagement.models import OptIn
from engagement.subscriptions import UnknownLink
from lib import db, public_ids
from lib.signing import fingerprint
from merchants.models import Merchant

TEMPLATE = "confirm"
SIGNATURE_LETTERS = 32


@db.inside_transaction
def on_consents(told: Sequence[Touchpoint], at: datetime) -> None:
    """Hear of each yes, and ask for its confirmation where it needs one."""
    drafts = []
    for touchpoint in told:
        said = touchpoint.data
        needs_one = (said.get("channel"), said.get("purpose")) == deciding.DOUBLE
        if touchpoint.customer is None or not needs_one or said.get("source") in deciding.CONFIRMED:
            continue
        if (draft := _question(touchpoint.customer, touchpoint, at=at)) is not None:
            drafts.append(draft)
    messages.queue_all(drafts, at=at)


def _question(customer: Customer, touchpoint: Touchpoint, *, at: datetime) -> Draft | None:
    channel, purpose = deciding.DOUBLE
    answers = Consent.objects.filter(customer=customer, channel=channel, purpose=purpose)
    newest = answers.order_by("-at", "-pk").first()
    contact = (
        Identifier.objects.filter(customer=customer, type="email", verified_at__isnull=False)
        .order_by("-created_at", "-pk")
        .first()
    )
    if newest is None or not newest.granted or contact is None:
        return None
    if not deciding.wants_confirmation(merchant_id=customer.merchant_id):
        return None
    row = OptIn.objects.create(
        merchant_id=customer.merchant_id,
        customer=customer,
        channel=channel,
        purpose=purpose,
        contact_hash=deciding.contact_hash(customer.merchant_id, contact.value),
        source=newest.source,
        wording=newest.wording,
        asked_at=at,
    )
    address = link(row, touchpoint.merchant)
    return Draft(
        customer, f"opt-in:{row.public_id}", channel, TEMPLATE, {"confirm_url": address}, "transactional", at
    )


def link(row: OptIn, merchant: Merchant) -> str:
    """Return the address that confirms."""
    return f"{settings.BASE_URL}/{merchant.slug}/confirm/{row.public_id}.{_signature(row.pk)}"


def find(*, merchant: Merchant, token: str) -> OptIn:
    """
    Return the question whose link this is.

    :raises UnknownLink: the link is not ours, another merchant's, or its person has left
    """
    shown, _dot, signature = token.partition(".")
    number = public_ids.read(OptIn.prefix, shown)
    if number is None or not hmac.compare_digest(signature.encode(), _signature(number).encode()):
        raise UnknownLink(_("This link is not complete. Please open it from the message again."))
    row = OptIn.objects.filter(merchant=merchant, pk=number).select_related("customer__merchant").first()
    if row is None:
        raise UnknownLink(_("This link is no longer valid."))
    return row


@db.command
def confirm(*, opt_in: OptIn, at: datetime) -> None:
    """Let the yes count from now on. Repeating changes nothing; a no that came later stays a no."""
    row = OptIn.objects.select_for_update(of=("self",)).select_related("customer").get(pk=opt_in.pk)
    if row.confirmed_at is not None:
        return
    row.confirmed_at = at
    row.save(update_fields=["confirmed_at"])
    newest = (
        Consent.objects.filter(customer=row.customer, channel=row.channel, purpose=row.purpose)
        .order_by("-at", "-pk")
        .first()
    )
    if newest is None or not newest.granted:
        return
    consent.record(
        customer=row.customer,
        channel=row.channel,
        purpose=row.purpose,
        granted=True,
        at=at,
        source="confirmation",
        wording=f"{row.wording}\n[asked {row.asked_at:%Y-%m-%d %H:%M} UTC, source {row.source or '-'}]".strip(),
    )


def _signature(opt_in_id: int) -> str:
    return fingerprint("confirm", str(opt_in_id))[:SIGNATURE_LETTERS]
