"""What the calls about rewards and redemptions answer, for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.shapes import BalanceOut


class RewardOut(BaseModel):
    """
    A reward. `worth` is what a redemption promises; money in it is in minor units.

    The last four fields are there when the query names a customer: `reason` says why it cannot be redeemed
    now, like `insufficient_points`.
    """

    id: str
    code: str
    name: str
    description: str
    kind: str
    cost: int = Field(description="In points; of points as payment the points of one step.")
    worth: dict[str, Any]
    stock: int | None = Field(description="How many are left; null without an end.")
    per_customer: int | None
    per_day: int | None
    valid_days: int | None
    tiers: list[str]
    segments: list[str]
    starts_at: datetime | None
    ends_at: datetime | None = Field(description="Exclusive.")
    image_url: str | None
    program: str
    can_be_redeemed: bool | None = None
    missing_points: int | None = None
    reason: str | None = None
    detail: str | None = None


class RedemptionVoucherOut(BaseModel):
    """`code` is answered by the call that redeemed only; else it is null, with its last four letters."""

    id: str
    code: str | None
    last_four: str
    status: Literal["issued", "reserved", "redeemed", "expired", "cancelled"]
    name: str
    worth: dict[str, Any]
    expires_at: datetime | None


class RedemptionOut(BaseModel):
    """`pending`: goods wait to be handed over. `worth` is what was promised, for a till to act on."""

    id: str
    status: Literal["pending", "fulfilled", "cancelled", "failed"]
    customer: str
    reward: str
    reward_name: str
    points: int
    household: str | None = Field(description="The household whose pool paid; null: the customer did.")
    worth: dict[str, Any]
    voucher: RedemptionVoucherOut | None
    reference: str
    purchase_reference: str | None
    note: str | None
    occurred_at: datetime
    closed_at: datetime | None
    balance: BalanceOut | None = Field(None, description="In answers to redeeming and cancelling only.")


class PromiseOut(BaseModel):
    """
    What a hold keeps: the reward as it was when it was held. `changed` names what of it is another thing by
    now; the hold keeps what it promised.
    """

    id: str
    name: str
    points: int
    worth: dict[str, Any]
    changed: list[Literal["cost", "name", "worth", "offer"]]


class HoldOut(BaseModel):
    """
    `points` are held while it is active; of them `captured` were used. `reward` is there when it was held
    for one, `redemption` once that was captured. `balance` is not in reads.
    """

    id: str
    status: Literal["active", "captured", "cancelled", "expired"]
    customer: str
    points: int
    captured: int
    reference: str
    expires_at: datetime
    created_at: datetime
    reward: PromiseOut | None = None
    redemption: RedemptionOut | None = None
    balance: BalanceOut | None = None
