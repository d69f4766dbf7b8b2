"""Refunds: of a purchase by its id, or by its reference; parked while the purchase is not here yet."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import fields, sales
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Count, Minor, Reference, Time
from api.shapes import RefundOut, WaitingOut
from lib import public_ids
from loyalty import refunds
from loyalty.models import Purchase
from loyalty.refunds import RefundReceipt, Return, ReturnLine

STATUS = {"created": 201, "replayed": 200, "parked": 202}


class ReturnLineIn(Body):
    """One line given back: some of its quantity, or some of its amount."""

    id: Annotated[str, fields.text(60, least=1)]
    quantity: Count | None = None
    amount_minor: Minor | None = None

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if (self.quantity is None) == (self.amount_minor is None):
            raise PydanticCustomError("not_one", "Say either quantity or amount_minor")
        return self


class PurchaseRefundIn(Body):
    """A refund of the purchase in the address."""

    reference: Reference
    amount_minor: Annotated[int, Field(strict=True, ge=1, le=fields.MOST_MINOR)] | None = None
    lines: Annotated[list[ReturnLineIn], Field(max_length=sales.MOST_LINES)] = []
    occurred_at: Time | None = None

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if (self.amount_minor is None) == (not self.lines):
            raise PydanticCustomError("not_one", "Say either amount_minor or lines")
        return self


class RefundIn(PurchaseRefundIn):
    """A refund of the purchase with this reference."""

    purchase_reference: Reference


class PurchaseRefunds(Door):
    @call(
        scopes=("purchases:write",),
        body=PurchaseRefundIn,
        answers={201: RefundOut, 200: RefundOut},
        moves_points=True,
    )
    def post(self, said: PurchaseRefundIn, purchase: str) -> Answer:
        """Refund a purchase, all or in part."""
        return tell(self, returned(said, at=self.at, purchase_id=fields.number("pur", purchase)))


class Refunds(Door):
    @call(
        scopes=("purchases:write",),
        body=RefundIn,
        answers={201: RefundOut, 200: RefundOut, 202: WaitingOut},
        moves_points=True,
    )
    def post(self, said: RefundIn) -> Answer:
        """
        Refund a purchase by its reference.

        A refund that comes before its purchase is 202: it waits, and is applied when the purchase comes.
        """
        return tell(self, returned(said, at=self.at))


def tell(door: Door, refund: Return) -> Answer:
    """Record one refund and answer it."""
    return door.do(
        lambda: refunds.record_all(merchant=door.merchant, refunds=[refund], at=door.at, by=door.by),
        show=lambda receipts: answer(receipts[0].or_raise()),
    )


def returned(said: PurchaseRefundIn, *, at: Any, purchase_id: int | None = None) -> Return:
    """Return the refund that was said."""
    return Return(
        reference=said.reference,
        occurred_at=said.occurred_at or at,
        purchase_id=purchase_id,
        purchase_reference=said.purchase_reference if isinstance(said, RefundIn) else "",
        amount_minor=said.amount_minor,
        lines=tuple(ReturnLine(one.id, one.quantity, one.amount_minor) for one in said.lines),
        sent=frozenset(said.model_fields_set),
    )


def answer(receipt: RefundReceipt) -> Answer:
    return Answer(STATUS[receipt.status], shown(receipt))


def shown(receipt: RefundReceipt) -> dict[str, Any]:
    """Return a refund as it is answered."""
    if receipt.status == "parked":
        return sales.waiting("ref", receipt.refund_id, "parked", receipt.reference)
    return {
        "id": public_ids.show("ref", receipt.refund_id),
        "status": "applied",
        "purchase": public_ids.show(Purchase.prefix, receipt.purchase_id) if receipt.purchase_id else None,
        "reference": receipt.reference,
        "amount_minor": receipt.amount_minor,
        "clawed_back": receipt.clawed_back,
        "returned": receipt.returned,
        "written_off": receipt.written_off,
        "occurred_at": receipt.occurred_at,
        "balance": receipt.balance,
    }
