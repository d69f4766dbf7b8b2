"""
Plain: a shop's own server, in the shape of the API's batches, signed by the Standard Webhooks scheme.

A message is one event, `{"event_id", "type", "data"}`, or several, `{"events": [...]}`.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError
from standardwebhooks import Webhook

from connectors.sources import base
from connectors.sources.base import (
    BadSignature,
    Envelope,
    Fact,
    Happened,
    Item,
    Met,
    NotAnEvent,
    Paid,
    Returned,
    Sold,
    Unread,
    Who,
)

TOLERANCE_SECONDS = 300
MOST_EVENTS = 1000
_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Short = Annotated[str, Field(strict=True, max_length=60, pattern=_PRINTABLE)]
Long = Annotated[str, Field(strict=True, max_length=200, pattern=_PRINTABLE)]
Reference = Annotated[str, Field(strict=True, min_length=1, max_length=200, pattern=_PRINTABLE)]
Minor = Annotated[int, Field(strict=True, ge=0, le=10**12)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


def _is_text(value: Any) -> Any:
    # A number would be read as seconds since 1970: a time is said in full, with its offset.
    if not isinstance(value, str):
        raise PydanticCustomError("not_a_time", "a time looks like 2026-05-01T12:00:00+02:00")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_is_text), AfterValidator(lambda one: one.astimezone(UTC))]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Identifier(Part):
    type: Literal["email", "phone", "card", "external_id"]
    value: Reference
    source: Short = ""


class LineData(Part):
    id: Short = ""
    sku: Short = ""
    name: Annotated[str, Field(strict=True, max_length=120, pattern=_PRINTABLE)] = ""
    category: Short = ""
    quantity: Count = 1
    amount_minor: Minor
    tax_minor: Minor = 0
    kind: Literal["goods", "service", "shipping", "tip", "gift_card", "deposit"] = "goods"


class TenderData(Part):
    kind: Literal["cash", "card", "gift_card", "store_credit", "points", "voucher", "other"]
    amount_minor: Minor
    hold: Long = ""
    redemption: Long = ""
    code: Long = ""


class PurchaseData(Part):
    customer: Long = ""
    identifier: Identifier | None = None
    reference: Reference
    currency: Annotated[str, Field(strict=True, pattern=r"^[A-Z]{3}$")]
    amount_minor: Minor | None = None
    lines: Annotated[tuple[LineData, ...], Field(max_length=1000)] = ()
    tenders: Annotated[tuple[TenderData, ...], Field(max_length=50)] = ()
    occurred_at: Time | None = None
    tax_minor: Minor | None = None
    store: Short = ""
    till: Short = ""
    staff_ref: Short = ""
    channel: Short = ""
    basket: Short = ""

    @model_validator(mode="after")
    def _says_how_much(self) -> "PurchaseData":
        if self.amount_minor is None and not self.lines:
            raise PydanticCustomError("required", "amount_minor or lines are needed")
        return self


class ReturnLineData(Part):
    id: Short
    quantity: Count | None = None
    amount_minor: Minor | None = None


class RefundData(Part):
    reference: Reference
    purchase_reference: Reference
    amount_minor: Minor | None = None
    lines: Annotated[tuple[ReturnLineData, ...], Field(max_length=1000)] = ()
    occurred_at: Time | None = None


class ConsentData(Part):
    channel: Short
    purpose: Short
    granted: Annotated[bool, Field(strict=True)]
    source: Short = ""
    wording: Annotated[str, Field(strict=True, max_length=2000)] = ""


class CustomerData(Part):
    name: Annotated[str, Field(strict=True, max_length=120, pattern=_PRINTABLE)] = ""
    email: Long = ""
    phone: Short = ""
    card: Short = ""
    external_id: Long = ""
    birthday: Annotated[str, Field(strict=True, pattern=r"^(\d\d-\d\d)?$")] = ""
    language: Annotated[str, Field(strict=True, max_length=10)] = ""
    consents: Annotated[tuple[ConsentData, ...], Field(max_length=50)] = ()


class TouchpointData(Part):
    customer: Long = ""
    identifier: Identifier | None = None
    anonymous_id: Annotated[str, Field(strict=True, max_length=80, pattern=_PRINTABLE)] = ""
    kind: Annotated[str, Field(strict=True, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=60)]
    channel: Annotated[str, Field(strict=True, max_length=20, pattern=_PRINTABLE)] = ""
    reference: Long = ""
    occurred_at: Time | None = None
    data: dict[str, Any] = {}


class Plain(base.Source):
    kind = "plain"
    label = "Your own server"

    def verify(
        self,
        *,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        event: Mapping[str, Any],
        at: datetime,
        options: Any,
    ) -> Envelope:
        event_id, said = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not event_id or not said.isdecimal() or len(said) > 12:
            raise BadSignature("The headers webhook-id, webhook-timestamp and webhook-signature are needed.")
        if abs(at.timestamp() - int(said)) > TOLERANCE_SECONDS:
            raise BadSignature("The webhook-timestamp is more than five minutes off.")
        if len(event_id) > base.MOST_ID or not event_id.isprintable():
            raise NotAnEvent("The webhook-id is too long, or holds control characters.")
        sent_at = datetime.fromtimestamp(int(said), UTC)
        given = headers.get("webhook-signature", "").split(" ")
        made = [_webhook(one).sign(event_id, sent_at, body.decode()) for one in secrets]
        if not any(hmac.compare_digest(a.encode(), b.encode()) for a in made for b in given):
            raise BadSignature("None of this connection's secrets made the webhook-signature of this body.")
        if "events" in event:
            events = event["events"]
            if not isinstance(events, list) or not 0 < len(events) <= MOST_EVENTS:
                raise NotAnEvent(f"`events` is a list of 1 to {MOST_EVENTS} events.")
            return Envelope(event_id, "events", sent_at)
        type = event.get("type")
        if not isinstance(type, str) or not 0 < len(type) <= 60 or not type.isprintable():
            raise NotAnEvent("An event has event_id, type and data; or the message has a list of events.")
        return Envelope(event_id, type, sent_at)

    def read(
        self, *, event: Mapping[str, Any], occurred_at: datetime, options: Any, is_sandbox: bool
    ) -> list[Fact]:
        found: list[Fact] = []
        for one in event.get("events", [event]):
            found += _read(one, occurred_at)
        return found

    def check_secret(self, *, secret: str) -> str | None:
        try:
            _webhook(secret)
        except (ValueError, RuntimeError) as error:
            return f"The secret is not one of the Standard Webhooks scheme (whsec_ and base64): {error}."
        return None if len(secret) >= 24 else "The secret is too short: make one of at least 24 letters."


@cache
def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except Exception as error:  # the library's own class has no base but Exception
        raise ValueError(str(error)) from error


def _read(event: Any, sent_at: datetime) -> list[Fact]:
    name = event.get("event_id", "?") if isinstance(event, dict) else "?"
    reader = READERS.get(str(event.get("type"))) if isinstance(event, dict) else None
    if reader is None:
        return [Unread(f"Event {name}: the type must be one of {', '.join(READERS)}.")]
    if strange := event.keys() - {"event_id", "type", "data", "device", "sequence"}:
        return [Unread(f"Event {name}: {min(strange)} is not known here.")]
    try:
        return [reader(event.get("data"), sent_at)]
    except ValidationError as error:
        first = error.errors()[0]
        place = "/".join(str(part) for part in first["loc"])
        return [Unread(f"Event {name}: data/{place}: {first['msg']}.")]


def _who(customer: str, identifier: Identifier | None) -> Who:
    given = [("own", customer, "")] if customer else []
    if identifier is not None:
        given.append((identifier.type, identifier.value, identifier.source))
    return Who(tuple(given))


def _purchase(data: Any, sent_at: datetime) -> Fact:
    said = PurchaseData.model_validate(data)
    taken = {line.id for line in said.lines}
    lines = tuple(
        # A refund names a line by its id; one that came without is known by its number.
        Item(
            id=line.id or (str(place) if str(place) not in taken else f"#{place}"),
            **line.model_dump(exclude={"id"}),
        )
        for place, line in enumerate(said.lines, start=1)
    )
    return Sold(
        ids=(said.reference,),
        currency=said.currency,
        amount_minor=sum(line.amount_minor for line in lines)
        if said.amount_minor is None
        else said.amount_minor,
        occurred_at=said.occurred_at or sent_at,
        who=_who(said.customer, said.identifier),
        items=lines,
        payments=tuple(
            Paid(one.kind, one.amount_minor, one.hold or one.redemption or one.code) for one in said.tenders
        ),
        tax_minor=said.tax_minor,
        channel=said.channel,
        store=said.store,
        till=said.till,
        staff_ref=said.staff_ref,
        basket=said.basket,
        sent=frozenset(said.model_fields_set),
    )


def _refund(data: Any, sent_at: datetime) -> Fact:
    said = RefundData.model_validate(data)
    return Returned(
        reference=said.reference,
        ids=(said.purchase_reference,),
        occurred_at=said.occurred_at or sent_at,
        amount_minor=said.amount_minor,
        items=tuple((line.id, line.quantity, line.amount_minor) for line in said.lines),
        sent=frozenset(said.model_fields_set),
    )


def _customer(data: Any, sent_at: datetime) -> Fact:
    said = CustomerData.model_validate(data)
    given = tuple(
        (type, value, "")
        for type in ("external_id", "card", "email", "phone")
        if (value := getattr(said, type))
    )
    consents = tuple(
        (one.channel, one.purpose, one.granted, one.source, one.wording) for one in said.consents
    )
    person = Who(given, name=said.name, language=said.language)
    return Met(person, birthday=said.birthday, consents=consents, joins=True)


def _touchpoint(data: Any, sent_at: datetime) -> Fact:
    said = TouchpointData.model_validate(data)
    return Happened(
        kind=said.kind,
        reference=said.reference,
        occurred_at=said.occurred_at or sent_at,
        who=_who(said.customer, said.identifier),
        channel=said.channel,
        anonymous_id=said.anonymous_id,
        data=said.data,
    )


READERS: dict[str, Callable[[Any, datetime], Fact]] = {
    "purchase": _purchase,
    "refund": _refund,
    "customer": _customer,
    "touchpoint": _touchpoint,
}
