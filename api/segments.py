"""Segments and who is in them: read only; they are made in the admin and in the program file."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api import fields
from api.answers import Answer
from api.customers import shown_all
from api.door import Door, call
from api.shapes import CustomerOut
from customers.models import Customer, Segment
from lib import public_ids

SCOPES = ("customers:read",)


class SegmentOut(BaseModel):
    """
    A group of customers. `customers` is how many there were when it was last counted in full; between two
    counts, whoever does something enters and leaves within seconds.
    """

    id: str
    code: str
    name: str
    description: str
    is_persona: bool
    face: str | None
    rule: dict[str, Any] = Field(description="A tree of `all`, `any`, `not` and conditions.")
    customers: int
    refreshed_at: datetime | None


class Segments(Door):
    @call(scopes=SCOPES, answers={200: SegmentOut}, orderings=("code", "id"))
    def get(self) -> Answer:
        """List the segments that are kept up to date."""
        rows = Segment.objects.filter(merchant=self.merchant, is_active=True)
        return self.listed(rows, shape=lambda found: [segment(row) for row in found])


class Members(Door):
    @call(scopes=SCOPES, answers={200: CustomerOut}, orderings=("-id",))
    def get(self, segment: str) -> Answer:
        """List the customers in a segment, newest first. The segment is named by id or code."""
        number = public_ids.read("seg", segment)
        named = {"code": segment} if number is None else {"pk": number}
        found = Segment.objects.filter(merchant=self.merchant, is_active=True, **named).first()
        if found is None:
            raise fields.missing()
        rows = Customer.objects.filter(merchant=self.merchant, segments__segment=found)
        return self.listed(
            rows.only("id", "created_at"), shape=lambda page: shown_all(self, [row.pk for row in page])
        )


def segment(row: Segment) -> dict[str, Any]:
    """Return a segment as it is answered."""
    return {
        "id": row.public_id,
        "code": row.code,
        "name": row.name,
        "description": row.description,
        "is_persona": row.is_persona,
        "face": row.face or None,
        "rule": row.rule,
        "customers": row.members,
        "refreshed_at": row.refreshed_at,
    }
