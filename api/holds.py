"""Holds: points set aside during a checkout, then captured, cancelled, extended, or free again by themselves."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import adjustments, fields
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_POINTS, Body, Reference, Short
from api.sales import IdentifierIn
from api.shapes import HoldOut
from customers import identifiers
from customers.identifiers import Given
from customers.models import Customer
from lib import public_ids
from loyalty import holds
from loyalty.holds import MOST_SECONDS, HoldReceipt

STATUS = {"created": 201, "replaced": 200, "replayed": 200, "changed": 200}
SCOPES = ("rewards:write",)

Points = Annotated[int, Field(strict=True, ge=1, le=MOST_POINTS)]
Seconds = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MOST_SECONDS,
        description="How long from now, in seconds: by default 30 minutes, at most 7 days.",
    ),
]


class HoldIn(Body):
    """Points of a customer, for a checkout the caller has a reference for."""

    customer: Short | None = Field(None, description="The customer's id; or say `identifier`.")
    identifier: IdentifierIn | None = None
    program: Short | None = None
    points: Points
    reference: Reference
    ttl_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if (self.customer is None) == (self.identifier is None):
            raise PydanticCustomError("not_one", "Say either customer or identifier")
        return self


class CaptureIn(Body):
    """All of the hold's points, or `points` of them; the rest is free again."""

    points: Points | None = None
    purchase_reference: Reference | None = Field(
        None, description="The purchase that is paid with them, if it was told already."
    )


class ExtendIn(Body):
    """A longer life."""

    ttl_seconds: Seconds | None = None


class Holds(Door):
    @call(scopes=SCOPES, body=HoldIn, answers={201: HoldOut, 200: HoldOut}, moves_points=True)
    def post(self, said: HoldIn) -> Answer:
        """
        Hold points during a checkout.

        The same reference with the same content answers 200 with the hold as it is; with other content it
        replaces a hold that was not used. On a captured or cancelled one that is 409 `reference_reused`.
        """
        customer = _customer(self, said)
        program_id = None if said.program is None else fields.number("prg", said.program, pointer="/program")
        return self.do(
            lambda: holds.create(
                customer=customer,
                points=said.points,
                reference=said.reference,
                ttl_seconds=said.ttl_seconds,
                program_id=program_id,
                by=self.by,
                at=self.at,
            ),
            show=answer,
        )


class OneHold(Door):
    @call(scopes=SCOPES, answers={200: HoldOut})
    def get(self, hold: str) -> Answer:
        """Read one hold."""
        found = holds.read(merchant=self.merchant, hold_id=fields.number("hld", hold), at=self.at)
        return Answer(200, shown(found))


class Capture(Door):
    @call(scopes=SCOPES, body=CaptureIn, answers={200: HoldOut}, moves_points=True)
    def post(self, said: CaptureIn, hold: str) -> Answer:
        """
        Capture a hold: use its points.

        Final; its undo is a refund. Repeating answers the same. After its end a hold can be captured while the
        points are still available, else it is 422 `hold_expired`.
        """
        number = fields.number("hld", hold)
        return self.do(
            lambda: holds.capture(
                merchant=self.merchant,
                hold_id=number,
                points=said.points,
                purchase_reference=said.purchase_reference,
                by=self.by,
                at=self.at,
            ),
            show=answer,
        )


class Cancel(Door):
    @call(scopes=SCOPES, answers={200: HoldOut}, moves_points=True)
    def post(self, hold: str) -> Answer:
        """Cancel a hold: its points are free again. Repeating changes nothing."""
        number = fields.number("hld", hold)
        return self.do(
            lambda: holds.cancel(merchant=self.merchant, hold_id=number, by=self.by, at=self.at), show=answer
        )


class Extend(Door):
    @call(scopes=SCOPES, body=ExtendIn, answers={200: HoldOut}, moves_points=True)
    def post(self, said: ExtendIn, hold: str) -> Answer:
        """
        Extend a hold's life, counted from now.

        It never ends earlier than it would have, and never later than seven days after it was made.
        """
        number = fields.number("hld", hold)
        return self.do(
            lambda: holds.extend(
                merchant=self.merchant,
                hold_id=number,
                ttl_seconds=said.ttl_seconds,
                by=self.by,
                at=self.at,
            ),
            show=answer,
        )


def _customer(door: Door, said: HoldIn) -> Customer:
    """
    Return whose points are meant.

    :raises NotFound: with a pointer to where the body names them
    """
    if said.identifier is None:
        return adjustments.named(door, said.customer or "")
    given = Given(said.identifier.type, said.identifier.value, said.identifier.source)
    [number] = identifiers.resolve(merchant=door.merchant, given=[given])
    if number is None:
        raise fields.missing("/identifier")
    found = Customer.objects.get(merchant=door.merchant, pk=number)
    found.merchant = door.merchant
    return found


def answer(receipt: HoldReceipt) -> Answer:
    hold = receipt.hold
    facts = {
        "id": hold.id,
        "status": hold.status,
        "customer_id": receipt.customer_id,
        "points": hold.points,
        "captured": hold.captured,
        "reference": hold.reference,
        "expires_at": hold.expires_at,
        "created_at": hold.created_at,
    }
    body = shown(facts) | {"balance": receipt.balance}
    return Answer(STATUS[receipt.status], body, customer_id=receipt.customer_id)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a hold as it is answered, from its columns."""
    return {
        "id": public_ids.show("hld", row["id"]),
        "status": row["status"],
        "customer": public_ids.show("cus", row["customer_id"]),
        "points": row["points"],
        "captured": row["captured"],
        "reference": row["reference"],
        "expires_at": row["expires_at"],
        "created_at": row["created_at"],
    }
