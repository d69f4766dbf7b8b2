"""What merges and transfers answer."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.shapes import BalanceOut


class MergeOut(BaseModel):
    """`points`, `pending` and `debt` are what moved with the merge; `balance` is the target's of now."""

    id: str
    status: Literal["merged", "undone"]
    source: str
    target: str
    reason: str
    points: int
    pending: int
    debt: int
    tier_before: str | None = Field(description="The target's tier before the merge.")
    tier: str | None
    balance: BalanceOut
    merged_at: datetime
    undone_at: datetime | None


class TransferOut(BaseModel):
    """`balance` is what the source has now."""

    id: str
    source: str
    target: str
    points: int
    reference: str
    balance: BalanceOut
