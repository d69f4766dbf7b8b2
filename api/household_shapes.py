"""What the calls about households answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class HouseholdMemberOut(BaseModel):
    """`agreed` says where the member said yes: to staff at the till, or in the portal."""

    customer: str
    status: Literal["member", "invited"]
    agreed: Literal["till", "portal"] | None
    joined_at: datetime | None


class HouseholdOut(BaseModel):
    """`points` are what the pool can spend now."""

    id: str
    name: str | None
    points: int
    members: list[HouseholdMemberOut]
    reference: str
    created_at: datetime
