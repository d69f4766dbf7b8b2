"""Touchpoints: what a customer, or somebody not known yet, did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from api import fields
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Data, Long, Short, Time
from api.shapes import TouchpointOut
from customers import touchpoints
from customers.touchpoints import Noted, Told
from lib import public_ids

KIND = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"
STATUS = {"created": 201, "replayed": 200}


class TouchpointIn(Body):
    """One thing that happened. `kind` reads like `page.viewed`; `identify` joins an anonymous id to a customer."""

    customer: Short | None = None
    anonymous_id: Annotated[str, fields.text(80)] = ""
    kind: Annotated[str, fields.text(60, least=1, pattern=KIND)]
    channel: Annotated[str, fields.text(20)] = ""
    occurred_at: Time | None = None
    reference: Long = ""
    data: Data = {}

    @model_validator(mode="after")
    def _is_somebodys(self) -> Self:
        if self.customer is None and not self.anonymous_id:
            raise PydanticCustomError("not_one", "Say customer or anonymous_id")
        if self.kind == touchpoints.IDENTIFY and not (self.customer and self.anonymous_id):
            raise PydanticCustomError("not_one", "An identify names customer and anonymous_id")
        return self


class Touchpoints(Door):
    @call(scopes=("customers:write",), body=TouchpointIn, answers={201: TouchpointOut, 200: TouchpointOut})
    def post(self, said: TouchpointIn) -> Answer:
        """
        Note a touchpoint.

        With a `reference` it is noted once per kind: repeating it answers 200 with the first one.
        """
        one = told(said, at=self.at)
        return self.do(
            lambda: touchpoints.record_all(merchant=self.merchant, told=[one], at=self.at),
            show=lambda answers: _answer(answers[0].or_raise()),
        )


def told(said: TouchpointIn, *, at: datetime, reference: str = "") -> Told:
    """Return the touchpoint that was said."""
    return Told(
        kind=said.kind,
        occurred_at=said.occurred_at or at,
        channel=said.channel,
        customer_id=None
        if said.customer is None
        else fields.number("cus", said.customer, pointer="/customer"),
        anonymous_id=said.anonymous_id,
        reference=said.reference or reference,
        data=said.data,
    )


def _answer(noted: Noted) -> Answer:
    return Answer(STATUS[noted.status], shown(noted.row), customer_id=noted.row["customer_id"])


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a touchpoint as it is answered, from its columns."""
    return {
        "id": public_ids.show("tpt", row["id"]),
        "customer": public_ids.show("cus", row["customer_id"]) if row["customer_id"] else None,
        "anonymous_id": row["anonymous_id"] or None,
        "kind": row["kind"],
        "channel": row["channel"],
        "reference": row["reference"] or None,
        "data": row["data"],
        "occurred_at": row["occurred_at"],
        "created_at": row["created_at"],
    }
