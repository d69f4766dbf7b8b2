"""What a customer's level gives: looked at, used, and undone."""

from typing import Any

from pydantic import Field

from api import fields
from api.answers import Answer
from api.customers import own
from api.door import Door, call
from api.fields import Body, Reference, Short
from api.perk_shapes import PerksOut, PerkUseOut
from lib import public_ids
from rewards import perks
from rewards.perks import Holding, UseReceipt

STATUS = {"created": 201, "replayed": 200}
PROGRAM = {"program": "The program's id; by default the only or first one."}


class UseIn(Body):
    reference: Reference
    program: Short | None = Field(None, description="By default the only or first one.")


class RollbackIn(Body):
    """`reference` is that of the use."""

    reference: Reference


class Perks(Door):
    @call(scopes=("rewards:write", "customers:read"), answers={200: PerksOut}, parameters=PROGRAM)
    def get(self, customer: str) -> Answer:
        """
        List what the customer's level gives, and what is left of it.

        The benefits of the levels below are in it. What is given on entry is there by itself: it is never used.
        """
        mine = own(self, customer)
        said = self.request._request.GET.get("program")
        program_id = None if said is None else fields.number("prg", said, pointer="/query/program")
        found = perks.of_customer(customer=mine, at=self.at, program_id=program_id)
        return Answer(200, {"results": [shown(one) for one in found]})


class Use(Door):
    @call(
        scopes=("rewards:write",),
        body=UseIn,
        answers={201: PerkUseOut, 200: PerkUseOut},
        moves_points=True,
    )
    def post(self, said: UseIn, customer: str, perk: str) -> Answer:
        """
        Use a benefit.

        Of two tills at once one gets the last: 422 `perk_limit_reached`. One that the customer's level does not
        have is 422 `perk_not_available`.
        """
        mine = own(self, customer)
        program_id = None if said.program is None else fields.number("prg", said.program, pointer="/program")
        return self.do(
            lambda: perks.use(
                customer=mine,
                perk=perk,
                reference=said.reference,
                at=self.at,
                by=self.by,
                program_id=program_id,
            ),
            show=_answer,
        )


class Rollback(Door):
    @call(
        scopes=("rewards:write",),
        body=RollbackIn,
        answers={201: PerkUseOut, 200: PerkUseOut},
        moves_points=True,
    )
    def post(self, said: RollbackIn, customer: str, perk: str) -> Answer:
        """Undo a use, when the sale did not come about: it counts for nothing."""
        used = perks.find_use(customer=own(self, customer), perk=perk, reference=said.reference)
        return self.do(lambda: perks.undo(use=used, at=self.at, by=self.by), show=_answer)


def _answer(receipt: UseReceipt) -> Answer:
    use = receipt.use
    body = {
        "id": use.public_id,
        "reference": use.reference,
        "customer": public_ids.show("cus", use.customer_id),
        "rolled_back": receipt.is_rolled_back,
        "occurred_at": use.occurred_at,
        "perk": shown(receipt.holding) if receipt.holding else None,
    }
    return Answer(STATUS[receipt.status], body, customer_id=use.customer_id)


def shown(holding: Holding) -> dict[str, Any]:
    """Return a perk as it is answered."""
    perk = holding.perk
    limit = {"times": perk.limit.times, "per": perk.limit.per} if perk.limit else None
    return {
        "id": perk.id,
        "kind": perk.kind,
        "name": perk.name,
        "tier": perk.tier,
        "limit": limit,
        "used": holding.used,
        "left": holding.left,
        "resets_at": holding.resets_at,
    }
