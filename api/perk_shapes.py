"""What the calls about perks answer, for the OpenAPI document."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class PerkLimitOut(BaseModel):
    times: int
    per: Literal["day", "week", "month", "year", "membership_year", "lifetime"]


class PerkOut(BaseModel):
    """A perk of a customer's level. `tier` is the level that gives it: the customer's own or one below."""

    id: str
    kind: Literal["benefit", "entry_points", "entry_reward"]
    name: str
    tier: str
    limit: PerkLimitOut | None
    used: int = Field(description="In the present period; of what is given on entry, how often it was given.")
    left: int | None = Field(description="Null without a limit.")
    resets_at: datetime | None = Field(description="When the period ends, in the shop's zone; null: never.")


class PerksOut(BaseModel):
    results: list[PerkOut]


class PerkUseOut(BaseModel):
    """One use. `perk` is as it is now, null once the customer's level has it no more."""

    id: str
    reference: str
    customer: str
    rolled_back: bool
    occurred_at: datetime
    perk: PerkOut | None
