"""
Stripe: payments, invoices, refunds, disputes and customers, from the versions of 2022 to today.

Several messages describe one sale: a session, its payment intent, its charge, an invoice. Each says the
numbers it knows, and `connectors.posting` files them under one. A payment intent on its own waits a while
(`settle_seconds`) for a session or an invoice that knows more.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal

from pydantic import Field

from connectors.sources import base
from connectors.sources.base import (
    BadSignature,
    Envelope,
    Fact,
    Happened,
    Left,
    Linked,
    Met,
    NotAnEvent,
    RefundedInAll,
    Returned,
    ReturnUndone,
    Sold,
    Unreadable,
    Voided,
    Who,
)
from connectors.sources.stripe_shapes import (
    Shape,
    currency_of,
    goods_and_shipping,
    id_of,
    ids,
    invoice_lines,
    listed,
    maybe,
    minor,
    own_id,
    part,
    text,
    time_of,
    who,
    whole,
)

TOLERANCE_SECONDS = 300
# Versions before these names are only dates; all of them are read.
KNOWN_VERSIONS = ("acacia", "basil", "clover", "dahlia", "endive")


class StripeOptions(base.Options):
    source: Literal["both", "checkout", "payment_intent"] = Field(
        "both",
        description=(
            "Which message makes the sale. both: sessions and invoices, and payments neither of them claims; "
            "checkout: sessions and invoices only; payment_intent: payments only."
        ),
    )
    settle_seconds: int = Field(
        120, ge=0, le=86_400, description="How long a payment waits for its session or invoice."
    )
    livemode: bool | None = Field(None, description="Only live messages, or only test messages. Empty: both.")
    account: str = Field(
        "", max_length=100, description="The connected account (acct_…) whose messages these are."
    )


class Stripe(base.Source):
    kind = "stripe"
    label = "Stripe"
    Options = StripeOptions

    def verify(
        self,
        *,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        event: Mapping[str, Any],
        at: datetime,
        options: StripeOptions,
    ) -> Envelope:
        signature = headers.get("Stripe-Signature", "")
        if not any(_is_signed(body, signature, secret) for secret in secrets):
            raise BadSignature("None of this connection's secrets made the Stripe-Signature of this body.")
        if _signed_at(signature) < at.timestamp() - TOLERANCE_SECONDS:
            raise BadSignature("The Stripe-Signature is older than five minutes.")
        event_id, type, created = event.get("id"), event.get("type"), time_of(event.get("created"))
        if not isinstance(event_id, str) or not isinstance(type, str) or created is None:
            raise NotAnEvent("A Stripe event has an id, a type and the time it was created.")
        if not 0 < len(event_id) <= base.MOST_ID or not 0 < len(type) <= 120:
            raise NotAnEvent("The event's id or type is empty or too long.")
        if not (event_id + type).isprintable():
            raise NotAnEvent("The event's id or type holds control characters.")
        waits = _waits(type, event)
        return Envelope(event_id, type, created, options.settle_seconds if waits else 0)

    def read(
        self,
        *,
        event: Mapping[str, Any],
        occurred_at: datetime,
        options: StripeOptions,
        is_sandbox: bool,
    ) -> list[Fact]:
        reader = READERS.get(event.get("type", ""))
        if reader is None:
            return []
        _check_sender(event, options=options, is_sandbox=is_sandbox)
        try:
            shape = part(part(event, "data"), "object")
            if not shape:
                raise Unreadable("it holds no object.")
            return reader(shape, occurred_at, options)
        except Unreadable as error:
            raise Unreadable(_strange(event, str(error))) from error

    def check_secret(self, *, secret: str) -> str | None:
        if len(secret) >= 8 and not secret.startswith(("sk_", "pk_", "rk_")):
            return None
        return "This is not the signing secret: it begins with whsec_ and stands on the webhook's own page."


@cache
def _library() -> Any:
    # Importing the library takes most of a second: paid by the first message, not by every start.
    import stripe

    return stripe


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    library = _library()
    try:
        # The library compares the time with its own clock; ours is checked by the caller.
        return bool(library.WebhookSignature.verify_header(body, signature, secret))
    except (library.SignatureVerificationError, UnicodeDecodeError, TypeError):
        return False  # TypeError: letters no signature has


def _signed_at(signature: str) -> int:
    return next(int(one[2:]) for one in signature.split(",") if one.startswith("t="))


def _waits(type: str, event: Mapping[str, Any]) -> bool:
    if type == "charge.succeeded":
        return not id_of(part(part(event, "data"), "object"), "payment_intent")
    return type in ("payment_intent.succeeded", "charge.refunded")


def _check_sender(event: Mapping[str, Any], *, options: StripeOptions, is_sandbox: bool) -> None:
    is_live = event.get("livemode") is True
    if is_sandbox and is_live:
        raise Unreadable("This is a live payment, but the merchant is a sandbox.")
    if options.livemode is not None and is_live != options.livemode:
        said, wanted = ("live", "test") if is_live else ("test", "live")
        raise Unreadable(f"This is a {said} message, but the connection takes only {wanted} ones.")
    account = text(event, "account")
    if account != options.account and (account or options.account):
        raise Unreadable(
            f"This message is of the account {account or '(your own)'}, but the connection is for "
            f"{options.account or 'your own account'}."
        )


def _strange(event: Mapping[str, Any], reason: str) -> str:
    version = text(event, "api_version") or "unknown"
    name = version.partition(".")[2]
    advice = (
        f" This version of Stripe's API is newer than the ones known here (up to {KNOWN_VERSIONS[-1]}): "
        "give the webhook endpoint an older version."
        if name and name not in KNOWN_VERSIONS
        else ""
    )
    return f"{event.get('type')} in API version {version} cannot be read: {reason}{advice}"


# --- one reader per object --------------------------------------------------------------------------------


def _session_paid(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    """checkout.session.completed and async_payment_succeeded."""
    payment, invoice, session = id_of(shape, "payment_intent"), id_of(shape, "invoice"), own_id(shape)
    person = _session_who(shape)
    if text(shape, "mode") == "subscription":
        # Its money comes with invoice.paid; the session knows what the shop calls its customer.
        return [Linked(ids(invoice, session)), Met(person)]
    numbers = ids(payment, session, invoice)
    if text(shape, "mode") != "payment" or text(shape, "payment_status") == "unpaid":
        return [Linked(numbers), Met(person)]
    if options.source == "payment_intent" and payment:
        return [Linked(numbers), Met(person)]
    currency, total = currency_of(shape), whole(shape, "amount_total")
    shipping, tax = part(shape, "shipping_cost"), maybe(part(shape, "total_details"), "amount_tax")
    items = goods_and_shipping(
        currency=currency,
        total=total,
        tax=tax,
        shipping=maybe(shipping, "amount_total") or maybe(part(shape, "total_details"), "amount_shipping"),
        shipping_tax=maybe(shipping, "amount_tax"),
    )
    return [
        Sold(
            numbers,
            currency,
            minor(total, currency),
            at,
            person,
            items,
            tax_minor=minor(tax, currency),
            channel="web",
        )
    ]


def _session_who(shape: Shape) -> Who:
    contact = part(shape, "customer_details")
    return who(shape, contact, {"email": shape.get("customer_email")})


def _session_failed(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    session = own_id(shape)
    return [Happened("payment.failed", session, at, _session_who(shape), data={"session": session})]


def _session_expired(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    person, session = _session_who(shape), own_id(shape)
    return (
        [Happened("checkout.expired", session, at, person, data={"session": session})] if person.given else []
    )


def _payment_succeeded(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    payment, invoice, charge = own_id(shape), id_of(shape, "invoice"), id_of(shape, "latest_charge")
    charges = listed(shape, "charges")
    charge = charge or (text(charges[-1], "id") if charges else "")
    if options.source == "checkout" or (options.source == "both" and invoice):
        return [Linked(ids(invoice, payment, charge))]
    latest = shape.get("latest_charge")
    billing = [part(one, "billing_details") for one in [latest, *charges] if isinstance(one, dict)]
    person = who(shape, {"email": shape.get("receipt_email")}, *billing, part(shape, "shipping"))
    currency, details = currency_of(shape), part(shape, "amount_details")
    total = maybe(shape, "amount_received") or whole(shape, "amount")
    tax = maybe(part(details, "tax"), "total_tax_amount")
    items = goods_and_shipping(
        currency=currency,
        total=total,
        tax=tax,
        shipping=maybe(part(details, "shipping"), "amount"),
        tip=maybe(part(details, "tip"), "amount"),
    )
    in_store = "card_present" in (shape.get("payment_method_types") or ())
    return [
        Sold(
            ids(payment, charge, invoice),
            currency,
            minor(total, currency),
            at,
            person,
            items,
            tax_minor=minor(tax, currency) if tax else None,
            channel="store" if in_store else "web",
        )
    ]


def _invoice_paid(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    payments = [part(one, "payment") for one in listed(shape, "payments")]
    paid_by = [id_of(one, name) for one in payments for name in ("payment_intent", "charge")]
    numbers = ids(own_id(shape), id_of(shape, "payment_intent"), id_of(shape, "charge"), *paid_by)
    total = whole(shape, "amount_paid")
    if total <= 0 or options.source == "payment_intent":
        return [Linked(numbers)]
    currency, shipping = currency_of(shape), part(shape, "shipping_cost")
    tax = maybe(shape, "tax") or sum(
        maybe(one, "amount") for one in listed(shape, "total_taxes") or listed(shape, "total_tax_amounts")
    )
    shipped = maybe(shipping, "amount_total")
    lines = invoice_lines(shape, currency=currency, total=total, shipping=shipped)
    rough = goods_and_shipping(
        currency=currency,
        total=total,
        tax=tax,
        shipping=shipped,
        shipping_tax=maybe(shipping, "amount_tax"),
    )
    contact = {name: shape.get(f"customer_{name}") for name in ("email", "phone", "name")}
    return [
        Sold(
            numbers,
            currency,
            minor(total, currency),
            at,
            who(shape, contact),
            (*lines, *(item for item in rough if item.kind == "shipping")) if lines else rough,
            tax_minor=minor(tax, currency),
            channel="web",
        )
    ]


def _invoice_payment(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    payment = part(shape, "payment")
    return [Linked(ids(id_of(shape, "invoice"), id_of(payment, "payment_intent"), id_of(payment, "charge")))]


def _invoice_voided(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    return [Voided(ids(own_id(shape)), reference=f"{own_id(shape)}:voided")]


def _charge_succeeded(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    charge, payment, invoice = own_id(shape), id_of(shape, "payment_intent"), id_of(shape, "invoice")
    if payment or invoice or options.source == "checkout" or shape.get("captured") is False:
        return [Linked(ids(payment, charge, invoice))]
    # A charge made without a payment intent, as before 2019: nothing else will speak of it.
    currency, total = currency_of(shape), whole(shape, "amount")
    person = who(shape, {"email": shape.get("receipt_email")}, part(shape, "billing_details"))
    return [Sold(ids(charge), currency, minor(total, currency), at, person, channel="web")]


def _charge_refunded(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    found: list[Fact] = []
    for refund in listed(shape, "refunds"):
        found += _refund({**refund, "charge": own_id(shape)}, at, options)
    numbers = ids(id_of(shape, "payment_intent"), own_id(shape), id_of(shape, "invoice"))
    if found:
        return [Linked(numbers), *found]
    # Newer versions say only the sum: the refunds themselves come as refund.created.
    refunded = minor(whole(shape, "amount_refunded"), currency_of(shape))
    return [Linked(numbers), RefundedInAll(numbers, refunded)]


def _refund(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    reference, status = own_id(shape), text(shape, "status")
    numbers = ids(id_of(shape, "payment_intent"), id_of(shape, "charge"))
    if status in ("failed", "canceled"):
        return [ReturnUndone(reference)]
    if status in ("pending", "requires_action"):
        return []  # refund.updated says when it went through
    if not numbers:
        raise Unreadable("the refund names neither a payment intent nor a charge.")
    return [Returned(reference, numbers, at, minor(whole(shape, "amount"), currency_of(shape)))]


def _dispute_opened(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    dispute, numbers = own_id(shape), ids(id_of(shape, "payment_intent"), id_of(shape, "charge"))
    data = {
        "reason": text(shape, "reason"),
        "amount_minor": minor(whole(shape, "amount"), currency_of(shape)),
    }
    return [Happened("dispute.opened", dispute, at, ids=numbers, data=data)]


def _dispute_lost(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    numbers = ids(id_of(shape, "payment_intent"), id_of(shape, "charge"))
    return [Returned(own_id(shape), numbers, at, minor(whole(shape, "amount"), currency_of(shape)))]


def _dispute_won(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    return [ReturnUndone(own_id(shape))]


def _dispute_closed(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    match text(shape, "status"):
        case "lost":
            return _dispute_lost(shape, at, options)
        case "won":
            return _dispute_won(shape, at, options)
    return []  # an inquiry that was closed: no money moved


def _credit_note(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    """What a credit note gives back beside refunds (they come as refund.created): credit, or cash by hand."""
    invoice = id_of(shape, "invoice")
    if text(shape, "status") == "void":
        return [ReturnUndone(own_id(shape))]
    if "post_payment_amount" in shape:
        credited = whole(shape, "post_payment_amount")
    else:
        credited = whole(shape, "amount") if text(shape, "type") == "post_payment" else 0
    refunds = listed(shape, "refunds")
    refunded = sum(maybe(one, "amount_refunded") for one in refunds)
    if not refunds and id_of(shape, "refund"):
        refunded = credited - maybe(shape, "out_of_band_amount")
    if credited - refunded <= 0:
        return []
    amount = minor(credited - refunded, currency_of(shape))
    return [Returned(own_id(shape), ids(invoice), at, amount)]


def _customer(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    person = who({**shape, "customer": own_id(shape)}, shape)
    languages = shape.get("preferred_locales")
    language = languages[0] if isinstance(languages, list) and languages else ""
    language = language[:10] if isinstance(language, str) else ""
    return [Met(Who(person.given, person.name, language))]


def _customer_deleted(shape: Shape, at: datetime, options: StripeOptions) -> list[Fact]:
    return [Left(("external_id", own_id(shape), "stripe"))]


READERS: dict[str, Callable[[Shape, datetime, StripeOptions], list[Fact]]] = {
    "checkout.session.completed": _session_paid,
    "checkout.session.async_payment_succeeded": _session_paid,
    "checkout.session.async_payment_failed": _session_failed,
    "checkout.session.expired": _session_expired,
    "payment_intent.succeeded": _payment_succeeded,
    "invoice.paid": _invoice_paid,
    "invoice.payment_succeeded": _invoice_paid,
    "invoice_payment.paid": _invoice_payment,
    "invoice.voided": _invoice_voided,
    "charge.succeeded": _charge_succeeded,
    "charge.captured": _charge_succeeded,
    "charge.refunded": _charge_refunded,
    "charge.refund.updated": _refund,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute_opened,
    "charge.dispute.funds_withdrawn": _dispute_lost,
    "charge.dispute.funds_reinstated": _dispute_won,
    "charge.dispute.closed": _dispute_closed,
    "credit_note.created": _credit_note,
    "credit_note.updated": _credit_note,
    "credit_note.voided": _credit_note,
    "customer.created": _customer,
    "customer.updated": _customer,
    "customer.deleted": _customer_deleted,
}
