"""The shapes of referrals."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class ReferralPointsOut(BaseModel):
    """What each side was given; 0 until the referral qualifies."""

    referrer: int
    friend: int


class ReferralOut(BaseModel):
    """
    One friend whom one customer brought. `refusal` says by code why the referrer got nothing, or why it does
    not count; `reason` is what staff wrote.
    """

    id: str
    state: Literal["joined", "flagged", "qualified", "rewarded", "rejected", "expired", "clawed_back"]
    code: str
    referrer: str
    friend: str
    points: ReferralPointsOut
    signals: list[str] = Field(description="Doubts that staff look at: same_address, ...")
    refusal: str | None
    reason: str | None
    purchase: str | None = Field(description="The purchase that qualified.")
    claimed_at: datetime
    expires_at: datetime
    qualified_at: datetime | None
    activates_at: datetime | None = Field(description="When the points of both sides become usable.")
    rewarded_at: datetime | None
    ended_at: datetime | None
