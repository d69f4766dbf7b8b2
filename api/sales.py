"""How a sale is read and shown: the same for single purchases, calculations, batches and exchanges."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import fields, reasons, stores
from api.fields import Body, Currency, Long, Minor, Name, Reference, Short, Time
from customers.identifiers import Given
from lib import public_ids
from loyalty.earning.base import LineKind, TenderKind
from loyalty.receipts import Receipt
from loyalty.sale import Line, Sale, Tender
from merchants.keys import Key
from merchants.models import Merchant

MOST_LINES = 500
Row = dict[str, Any]


class IdentifierIn(Body):
    """One way to recognize a customer. `source` names the other system of an external id."""

    type: Literal["email", "phone", "card", "external_id"]
    value: Annotated[str, fields.text(254, least=1)]
    source: Short = ""


class LineIn(Body):
    """One line. `amount_minor` is the price of the whole line after all discounts."""

    id: Short | None = None
    sku: Short = ""
    name: Name = ""
    category: Short = ""
    quantity: fields.Count = 1
    amount_minor: Minor
    tax_minor: Minor | None = None
    kind: LineKind = "goods"


class TenderIn(Body):
    """One part of the payment. Points and vouchers name their hold, redemption or code."""

    kind: TenderKind
    amount_minor: Minor
    hold: Short | None = None
    redemption: Short | None = None
    code: Short | None = None


class BasketIn(Body):
    """A sale without its reference."""

    customer: Short | None = Field(None, description="The customer's id; or say `identifier`.")
    identifier: IdentifierIn | None = None
    program: Short | None = None
    currency: Currency
    amount_minor: Minor | None = Field(None, description="What was paid; by default the sum of the lines.")
    lines: Annotated[list[LineIn], Field(max_length=MOST_LINES)] = []
    tenders: Annotated[list[TenderIn], Field(max_length=20)] = []
    tax_minor: Minor | None = None
    occurred_at: Time | None = None
    store: Short | None = Field(None, description="The store's code or id.")
    till: Short = ""
    staff_ref: Short = ""
    channel: Annotated[str, fields.text(20)] = ""
    basket: Name = ""

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if (self.customer is None) == (self.identifier is None):
            raise PydanticCustomError("not_one", "Say either customer or identifier")
        if self.amount_minor is None and not self.lines:
            raise PydanticCustomError("not_one", "Say amount_minor or lines")
        ids = [line.id for line in self.lines if line.id]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("not_unique", "Two lines have the same id")
        return self


class SaleIn(BasketIn):
    """A sale."""

    reference: Reference


def sale(said: BasketIn, *, key: Key, at: datetime) -> Sale:
    """
    Return the sale that was said.

    :raises NotFound: the customer or the store cannot exist here
    """
    store = stores.said(key, said.store)
    lines = _lines(said.lines)
    return Sale(
        reference=said.reference if isinstance(said, SaleIn) else "calculation",
        currency=said.currency,
        amount_minor=sum(line.amount_minor for line in lines)
        if said.amount_minor is None
        else said.amount_minor,
        occurred_at=said.occurred_at or at,
        customer_id=None
        if said.customer is None
        else fields.number("cus", said.customer, pointer="/customer"),
        identifier=None
        if said.identifier is None
        else Given(said.identifier.type, said.identifier.value, said.identifier.source),
        lines=lines,
        tenders=tuple(
            Tender(one.kind, one.amount_minor, one.hold or one.redemption or one.code or "")
            for one in said.tenders
        ),
        tax_minor=said.tax_minor,
        store_id=store.id,
        store=store.code,
        till=said.till or key.till,
        staff_ref=said.staff_ref,
        channel=said.channel,
        basket=said.basket,
        sent=frozenset(said.model_fields_set),
    )


def _lines(said: list[LineIn]) -> tuple[Line, ...]:
    """Return the lines, each with an id: refunds by line name it. Without one it is the line's number."""
    taken = {line.id for line in said}
    return tuple(
        Line(
            id=line.id or _free(str(place), taken),
            kind=line.kind,
            amount_minor=line.amount_minor,
            quantity=line.quantity,
            sku=line.sku,
            name=line.name,
            category=line.category,
            tax_minor=line.tax_minor or 0,
        )
        for place, line in enumerate(said, start=1)
    )


def _free(name: str, taken: set[str | None]) -> str:
    return name if name not in taken else f"#{name}"


def program(said: BasketIn) -> int | None:
    """Return the number of the program that was said, None for the merchant's only or first one."""
    return None if said.program is None else fields.number("prg", said.program, pointer="/program")


def shown(merchant: Merchant, row: Row) -> Row:
    """Return a purchase as it is answered, from its columns."""
    customer_id = row["customer_id"]
    return {
        "id": public_ids.show("pur", row["id"]),
        "status": row["status"],
        "customer": public_ids.show("cus", customer_id) if customer_id else None,
        "reference": row["reference"],
        "currency": row["currency"],
        "amount_minor": row["amount_minor"],
        "tax_minor": row["tax_minor"],
        "basis_minor": row["basis_minor"],
        "lines": row["lines"],
        "tenders": row["tenders"],
        "store": stores.code_of(merchant, row["store_id"]),
        "till": row["till"],
        "staff_ref": row["staff_ref"],
        "channel": row["channel"],
        "basket": row["basket"],
        "points": points(row),
        "why": reasons.shown(merchant, row),
        "refunded_minor": row["refunded_minor"],
        "tier": row["tier"] or None,
        "occurred_at": row["occurred_at"],
        "created_at": row["recorded_at"],
    }


def points(row: Row) -> Row:
    return {
        "earned": row["points_earned"],
        "pending": row["points_pending"],
        "activates_at": row["activates_at"],
    }


def receipt(merchant: Merchant, said: Receipt) -> Row:
    """Return what a till prints from: the purchase, with the balance and the tier of now."""
    if said.status == "unmatched":
        return waiting("pur", said.row["id"], "unmatched", said.row["reference"])
    return shown(merchant, said.row) | {"balance": said.balance, "tier": said.tier or None}


def waiting(prefix: str, number: int, status: str, reference: str) -> Row:
    return {"id": public_ids.show(prefix, number), "status": status, "reference": reference}


__all__ = [
    "BasketIn",
    "IdentifierIn",
    "Long",
    "SaleIn",
    "points",
    "program",
    "receipt",
    "sale",
    "shown",
    "waiting",
]
