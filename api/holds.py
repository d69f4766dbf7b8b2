"""Holds: points set aside during a checkout, then captured, cancelled, extended, or free again by themselves."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import adjustments, fields, redemptions
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_POINTS, Body, Minor, Reference, Short
from api.redemptions import named_reward
from api.reward_shapes import HoldOut
from api.sales import IdentifierIn
from customers import identifiers
from customers.identifiers import Given
from customers.models import Customer
from lib import public_ids
from loyalty import holds
from loyalty.holds import MOST_SECONDS, HoldReceipt
from rewards import holding
from rewards.holding import Promise
from rewards.models import Reward
from rewards.pricing import Asked

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
    """
    Points of a customer, or a reward with the points it costs, for a checkout the caller has a reference for.
    """

    customer: Short | None = Field(None, description="The customer's id; or say `identifier`.")
    identifier: IdentifierIn | None = None
    program: Short | None = None
    points: Points | None = Field(None, description="How many; or say `reward`.")
    reward: Annotated[str, fields.text(60, least=1)] | None = Field(
        None,
        description="A reward's id, or its code. Points as payment also say points, basket_minor, or both.",
    )
    basket_minor: Minor | None = Field(None, description="Points as payment: what the purchase costs.")
    reference: Reference
    ttl_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _is_told_once(self) -> Self:
        if self.points is None and self.reward is None:
            raise PydanticCustomError("missing_points", "Say points or reward")
        if self.basket_minor is not None and self.reward is None:
            raise PydanticCustomError("needless_basket", "A basket is of a reward: points as payment")
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
        Hold points, or a reward with its points, during a checkout.

        A reward is taken off the shelf and its price kept until the hold ends. The same reference with the
        same content answers 200 with the hold as it is; with other content it replaces a hold that was not
        used. On a captured or cancelled one that is 409 `reference_reused`.
        """
        customer = _customer(self, said)
        if said.reward is not None:
            return self._hold_reward(customer, said)
        program_id = None if said.program is None else fields.number("prg", said.program, pointer="/program")
        points = said.points or 0
        return self.do(
            lambda: holds.create(
                customer=customer,
                points=points,
                reference=said.reference,
                ttl_seconds=said.ttl_seconds,
                program_id=program_id,
                by=self.by,
                at=self.at,
            ),
            show=answer,
        )

    def _hold_reward(self, customer: Customer, said: HoldIn) -> Answer:
        reward = named_reward(self, said.reward or "", program=said.program)
        return self.do(
            lambda: holding.create(
                customer=customer,
                reward=reward,
                reference=said.reference,
                ttl_seconds=said.ttl_seconds,
                asked=Asked(said.points, said.basket_minor),
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
        promise = holding.promise(merchant_id=self.merchant.pk, hold_id=found["id"], at=self.at)
        return Answer(200, shown(found, promise))


class Capture(Door):
    @call(scopes=SCOPES, body=CaptureIn, answers={200: HoldOut}, moves_points=True)
    def post(self, said: CaptureIn, hold: str) -> Answer:
        """
        Capture a hold: use its points. One that names a reward redeems it, as it was promised.

        Final; its undo is a refund. Repeating answers the same. After its end a hold can be captured while the
        points are still available, else it is 422 `hold_expired`; a reward's piece must be there too, else
        it is `reward_out_of_stock`.
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
    body = shown(facts, receipt.promise) | {"balance": receipt.balance}
    return Answer(STATUS[receipt.status], body, customer_id=receipt.customer_id)


def shown(row: dict[str, Any], promise: Promise | None = None) -> dict[str, Any]:
    """Return a hold as it is answered, from its columns and what it has set aside of a reward."""
    return {
        "id": public_ids.show("hld", row["id"]),
        "status": row["status"],
        "customer": public_ids.show("cus", row["customer_id"]),
        "points": row["points"],
        "captured": row["captured"],
        "reference": row["reference"],
        "expires_at": row["expires_at"],
        "created_at": row["created_at"],
        "reward": promise and _promised(promise),
        "redemption": promise and promise.redemption and _redeemed(promise),
    }


def _promised(promise: Promise) -> dict[str, Any]:
    row = promise.reservation
    return {
        "id": public_ids.show(Reward.prefix, row.reward_id),
        "name": row.reward_name,
        "points": row.points,
        "worth": row.worth,
        "changed": promise.changed,
    }


def _redeemed(promise: Promise) -> dict[str, Any]:
    assert promise.redemption is not None
    return redemptions.shown(promise.redemption, promise.voucher, code=promise.code)
