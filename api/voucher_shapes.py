"""What the calls for vouchers and gift cards answer."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class VoucherOut(BaseModel):
    """`status` is that of now. `uses_left` is null for a voucher that may be used without end."""

    id: str
    last_four: str
    name: str
    status: Literal["issued", "reserved", "redeemed", "expired", "cancelled"]
    worth: dict[str, Any]
    customer: str | None = Field(description="Whom it is bound to; null: whoever shows it.")
    reward: str | None
    used: int
    uses_left: int | None
    once_per_customer: bool
    starts_at: datetime | None
    expires_at: datetime | None
    created_at: datetime


class VoucherUseOut(BaseModel):
    """One use. `rolled_back`: it was undone, and the voucher may be used again under another reference."""

    id: str
    reference: str
    purchase_reference: str
    customer: str | None
    rolled_back: bool
    occurred_at: datetime
    voucher: VoucherOut


class GiftCardOut(BaseModel):
    """`code` is there when the card was bought, and in repeats of that until it is first paid with."""

    id: str
    last_four: str
    status: Literal["active", "used", "expired"]
    currency: str
    balance_minor: int
    paid_minor: int
    customer: str | None
    expires_at: datetime | None
    created_at: datetime
    code: str | None = None


class GiftCardEntryOut(BaseModel):
    """One movement. `amount_minor` is signed: a charge is negative."""

    id: str
    kind: Literal["issue", "charge", "refund"]
    amount_minor: int
    currency: str
    balance_after_minor: int
    reference: str
    purchase_reference: str
    created_at: datetime
    gift_card: GiftCardOut
