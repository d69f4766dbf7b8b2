"""Points given or taken by hand."""

from typing import Annotated

from pydantic import Field

from api import fields
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_POINTS, Body, Reference, Short
from api.shapes import AdjustmentOut
from customers.models import Customer
from customers.people import CustomerErased
from lib import public_ids
from lib.errors import Fault
from loyalty import adjustments
from loyalty.adjustments import AdjustmentReceipt

STATUS = {"created": 201, "replayed": 200}


class AdjustmentIn(Body):
    """`points` is signed: positive gives, negative takes."""

    customer: Annotated[str, fields.text(60, least=1)]
    program: Short | None = None
    points: Annotated[int, Field(strict=True, ge=-MOST_POINTS, le=MOST_POINTS)]
    reason: Annotated[str, fields.text(200, least=1)]
    reference: Reference
    allow_negative: Annotated[bool, Field(strict=True)] = Field(
        False, description="Whether the account may go into debt."
    )


class Adjustments(Door):
    @call(
        scopes=("points:adjust",),
        body=AdjustmentIn,
        answers={201: AdjustmentOut, 200: AdjustmentOut},
        moves_points=True,
    )
    def post(self, said: AdjustmentIn) -> Answer:
        """Give or take points by hand, with a reason the customer can read."""
        customer = named(self, said.customer)
        program_id = None if said.program is None else fields.number("prg", said.program, pointer="/program")
        return self.do(
            lambda: adjustments.adjust(
                customer=customer,
                points=said.points,
                reason=said.reason,
                reference=said.reference,
                allow_negative=said.allow_negative,
                by=self.by,
                at=self.at,
                program_id=program_id,
            ),
            show=lambda receipt: _answer(receipt, customer),
        )


def named(door: Door, said: str, *, pointer: str = "/customer") -> Customer:
    """
    Return the caller's customer that a body names; a merged one as its target.

    :raises NotFound: with a pointer to where the body names it
    :raises Gone: the customer was erased
    """
    number = fields.number("cus", said, pointer=pointer)
    found = Customer.objects.select_related("merged_into").filter(merchant=door.merchant, pk=number).first()
    if found is None or found.status == Customer.Status.HOUSEHOLD:
        raise fields.missing(pointer)
    found = found.merged_into or found
    found.merchant = door.merchant
    if found.status == Customer.Status.ERASED:
        raise CustomerErased("This customer has been erased.", faults=[Fault(pointer, "gone", "erased")])
    return found


def _answer(receipt: AdjustmentReceipt, customer: Customer) -> Answer:
    body = {
        "id": public_ids.show("adj", receipt.adjustment_id),
        "customer": customer.public_id,
        "points": receipt.points,
        "reason": receipt.reason,
        "reference": receipt.reference,
        "balance": receipt.balance,
    }
    return Answer(STATUS[receipt.status], body, customer_id=customer.pk)
