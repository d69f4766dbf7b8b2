"""Points spent on rewards, and given back."""

from typing import Annotated, Any, Self

import django_filters
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_POINTS, Body, Minor, Reference, Short
from api.filters import Filters, PublicId, Since
from api.households import named_household
from api.reward_shapes import RedemptionOut
from api.sales import IdentifierIn
from customers import identifiers
from customers.identifiers import Given
from customers.models import Customer
from lib import public_ids
from rewards import catalogue, redemptions
from rewards.models import Redemption, Reward, Voucher
from rewards.pricing import Asked
from rewards.redemptions import RedemptionReceipt

STATUS = {"created": 201, "replayed": 200, "changed": 200}
READ = ("rewards:write", "customers:read")


class RedemptionIn(Body):
    """Who redeems what. Points as payment also say `points`, `basket_minor`, or both."""

    customer: Short | None = Field(None, description="The customer's id; or say `identifier`.")
    identifier: IdentifierIn | None = None
    reward: Annotated[str, fields.text(60, least=1)] = Field(description="The reward's id, or its code.")
    reference: Reference
    program: Short | None = Field(None, description="Whose rewards a code is looked for in.")
    points: Annotated[int, Field(strict=True, ge=1, le=MOST_POINTS)] | None = Field(
        None, description="Points as payment: at most so many."
    )
    basket_minor: Minor | None = Field(None, description="Points as payment: what the purchase costs.")
    purchase_reference: Annotated[str, fields.text(200)] = ""
    household: Short | None = Field(None, description="The customer's household, whose pool pays.")

    @model_validator(mode="after")
    def _names_one_customer(self) -> Self:
        if (self.customer is None) == (self.identifier is None):
            raise PydanticCustomError("not_one", "Say either customer or identifier")
        return self


class CancelIn(Body):
    reason: Annotated[str, fields.text(200)] = ""


class RedemptionFilters(Filters):
    customer = PublicId(prefix="cus", field_name="customer_id", label="The customer's id")
    reward = PublicId(prefix="rwd", field_name="reward_id", label="The reward's id")
    status = django_filters.ChoiceFilter(choices=Redemption.Status.choices, label="Its state")
    reference = django_filters.CharFilter(label="Its reference")
    occurred_after = Since(field_name="occurred_at", lookup_expr="gte", label="Not before this time")
    occurred_before = Since(field_name="occurred_at", lookup_expr="lt", label="Before this time")


class Redemptions(Door):
    @call(
        scopes=READ,
        answers={200: RedemptionOut},
        filters=RedemptionFilters,
        orderings=("-id", "occurred_at"),
    )
    def get(self) -> Answer:
        """List redemptions, newest first."""
        rows = Redemption.objects.filter(merchant=self.merchant)
        rows = rows.select_related("voucher", "payer__household")
        return self.listed(rows, shape=lambda found: [shown(one) for one in found])

    @call(
        scopes=("rewards:write",),
        body=RedemptionIn,
        answers={201: RedemptionOut, 200: RedemptionOut},
        moves_points=True,
    )
    def post(self, said: RedemptionIn) -> Answer:
        """
        Redeem a reward: points are spent, and a voucher with its code comes back where the kind has one.

        Goods are `pending` until staff hand them over. `worth` says what a till can act on.
        """
        return self.do(lambda: redeem(self, said), show=answer)


class OneRedemption(Door):
    @call(scopes=READ, answers={200: RedemptionOut})
    def get(self, redemption: str) -> Answer:
        """Read a redemption."""
        return Answer(200, shown(own(self, redemption)))


class Cancel(Door):
    @call(
        scopes=("rewards:write",),
        body=CancelIn,
        may_be_empty=True,
        answers={200: RedemptionOut},
        moves_points=True,
    )
    def post(self, said: CancelIn, redemption: str) -> Answer:
        """
        Undo a redemption: its points and its stock come back, its voucher is worth nothing any more.

        Cancelling again answers the same. A voucher that was used refuses (`voucher_redeemed`).
        """
        mine = own(self, redemption)
        return self.do(
            lambda: redemptions.cancel(redemption=mine, at=self.at, by=self.by, reason=said.reason),
            show=lambda receipt: answer(receipt, has_code=False),
        )


def own(door: Door, said: str) -> Redemption:
    """
    Return the caller's redemption of this id.

    :raises NotFound: it does not exist, or is somebody else's
    """
    number = fields.number(Redemption.prefix, said)
    rows = Redemption.objects.filter(merchant=door.merchant, pk=number).select_related("voucher", "reward")
    found = rows.first()
    if found is None:
        raise fields.missing()
    found.merchant = door.merchant
    return found


def redeem(door: Door, said: RedemptionIn) -> RedemptionReceipt:
    """Redeem what a body asks for."""
    return redemptions.redeem(
        customer=_customer(door, said),
        reward=named_reward(door, said.reward, program=said.program, customer=said.customer),
        reference=said.reference,
        at=door.at,
        by=door.by,
        asked=Asked(said.points, said.basket_minor, said.purchase_reference),
        pool=None if said.household is None else named_household(door, said.household).holder,
    )


def _customer(door: Door, said: RedemptionIn) -> Customer:
    if said.customer is not None:
        # The command finds out whether there is such a customer, in a statement that it sends in any case.
        number = fields.number(Customer.prefix, said.customer, pointer="/customer")
        return Customer(pk=number, merchant=door.merchant)
    assert said.identifier is not None
    given = Given(said.identifier.type, said.identifier.value, said.identifier.source)
    [owner] = identifiers.resolve(merchant=door.merchant, given=[given])
    if owner is None:
        raise fields.missing("/identifier")
    return named(door, public_ids.show(Customer.prefix, owner))


def named_reward(door: Door, said: str, *, program: str | None, customer: str | None = None) -> Reward:
    """
    Return the caller's reward of this id or code.

    :raises NotFound: with a pointer to where the body names it; where `customer` is not there either, to that
    """
    program_id = None if program is None else fields.number("prg", program, pointer="/program")
    found = catalogue.find(merchant=door.merchant, name=said, program_id=program_id)
    if found is None:
        if customer is not None:
            named(door, customer)  # of two that are not there the customer is told
        raise fields.missing("/reward")
    return found


def answer(receipt: RedemptionReceipt, *, has_code: bool = True) -> Answer:
    body = shown(receipt.redemption, receipt.voucher, code=receipt.code if has_code else "")
    return Answer(
        STATUS[receipt.status],
        {**body, "balance": receipt.balance},
        customer_id=receipt.redemption.customer_id,
        has_secret=has_code and bool(receipt.code),
    )


def shown(row: Redemption, voucher: Voucher | None = None, *, code: str = "") -> dict[str, Any]:
    """Return a redemption as it is answered."""
    voucher = voucher or getattr(row, "voucher", None)
    return {
        "id": row.public_id,
        "status": row.status,
        "customer": public_ids.show(Customer.prefix, row.customer_id),
        "reward": public_ids.show(Reward.prefix, row.reward_id),
        "reward_name": row.reward_name,
        "points": row.points,
        "household": _household(row),
        "worth": row.worth,
        "voucher": _voucher(voucher, code) if voucher else None,
        "reference": row.reference,
        "purchase_reference": row.purchase_reference or None,
        "note": row.note or None,
        "occurred_at": row.occurred_at,
        "closed_at": row.closed_at,
    }


def _household(row: Redemption) -> str | None:
    """Return the household whose pool paid. Lists read it with their rows."""
    pool = getattr(row.payer, "household", None) if row.payer_id else None
    return pool.public_id if pool else None


def _voucher(voucher: Voucher, code: str) -> dict[str, Any]:
    return {
        "id": voucher.public_id,
        "code": code or None,
        "last_four": voucher.last_four,
        "status": voucher.status,
        "name": voucher.name,
        "worth": voucher.worth,
        "expires_at": voucher.expires_at,
    }
