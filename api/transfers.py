"""Points given by one customer to another."""

from typing import Annotated

from pydantic import Field

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_POINTS, Body, Reference, Short
from api.households import named_household
from api.merge_shapes import TransferOut
from customers.models import Customer
from lib import public_ids
from loyalty import transfers
from loyalty.models import Household
from loyalty.transfers import TransferReceipt

STATUS = {"created": 201, "replayed": 200}


class TransferIn(Body):
    """Points that `source` gives to `target`: customers, or a household's pool on one side."""

    source: Annotated[str, fields.text(60, least=1)]
    target: Annotated[str, fields.text(60, least=1)]
    program: Short | None = None
    points: Annotated[int, Field(strict=True, ge=1, le=MOST_POINTS)]
    reference: Reference


class Transfers(Door):
    @call(
        scopes=("points:adjust",),
        body=TransferIn,
        answers={201: TransferOut, 200: TransferOut},
        moves_points=True,
    )
    def post(self, said: TransferIn) -> Answer:
        """
        Move points from one customer to another, or into or out of a household's pool.

        Those that expire first go first, and keep their dates. Only where the program allows it; otherwise
        422 `transfers_not_allowed`; a pool is its members' alone (`not_a_household_member`).
        """
        source = _named(self, said.source, "/source")
        target = _named(self, said.target, "/target")
        program_id = None if said.program is None else fields.number("prg", said.program, pointer="/program")
        return self.do(
            lambda: transfers.transfer(
                source=source,
                target=target,
                points=said.points,
                reference=said.reference,
                by=self.by,
                at=self.at,
                program_id=program_id,
            ),
            show=lambda receipt: _answer(receipt, said, source),
        )


def _named(door: Door, said: str, pointer: str) -> Customer:
    """Return the customer that the body names; for a household, who holds its pool."""
    if said.startswith(f"{Household.prefix}_"):
        return named_household(door, said, pointer=pointer).holder
    return named(door, said, pointer=pointer)


def _answer(receipt: TransferReceipt, said: TransferIn, source: Customer) -> Answer:
    body = {
        "id": public_ids.show("trf", receipt.transfer_id),
        "source": said.source,
        "target": said.target,
        "points": receipt.points,
        "reference": receipt.reference,
        "balance": receipt.balance,
    }
    return Answer(STATUS[receipt.status], body, customer_id=source.pk)
