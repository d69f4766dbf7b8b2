"""What the calls answer, for the OpenAPI document. The resources' files make plain dicts of these shapes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class ProblemItem(BaseModel):
    pointer: str = Field(description="A JSON pointer into the body; /query/… and /header/… for the rest.")
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `detail` is for people. `retryable`: the same request may succeed later."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemItem]
    request_id: str
    retryable: bool


class ExpiringOut(BaseModel):
    points: int
    at: datetime


class ActivatingOut(BaseModel):
    """`at` is null for points that wait for a release."""

    points: int
    at: datetime | None


class ProgressOut(BaseModel):
    """`to_next` and `to_stay` are in the unit of the tier metric: minor units, points, purchases or days."""

    name: str | None
    next: str | None
    to_next: int | None
    to_stay: int | None
    until: datetime | None
    metric: str


class BalanceOut(BaseModel):
    """`available` is what can be spent now; `debt` is there only while `active` is 0."""

    active: int
    available: int
    held: int
    pending: int
    debt: int
    lifetime_earned: int
    expiring: list[ExpiringOut]
    activating: list[ActivatingOut] | None = Field(None, description="In reads only.")
    tier: ProgressOut
    as_of: datetime


class IdentifierOut(BaseModel):
    type: str
    value: str
    verified: bool
    source: str | None = None


class ConsentOut(BaseModel):
    channel: str
    purpose: str
    granted: bool
    at: datetime


class CustomerOut(BaseModel):
    id: str
    name: str
    status: Literal["active", "blocked", "merged", "erased"]
    identifiers: list[IdentifierOut]
    tier: str | None
    balance: BalanceOut | None
    referral_code: str
    birthday: str | None
    language: str | None
    timezone: str | None
    consents: list[ConsentOut]
    lifecycle: str | None
    created_at: datetime


class ExportOut(BaseModel):
    """Everything kept about the person, by room. The parts are described in the guide."""

    model_config = {"extra": "allow"}


class EntryOut(BaseModel):
    """`points` is the effect on what can be used, `pending` the effect on what waits for its date."""

    id: str
    kind: str
    points: int
    pending: int
    balance_after: int
    reason: str
    reference: str
    lots: list[dict[str, Any]]
    occurred_at: datetime
    created_at: datetime


class PointsOut(BaseModel):
    earned: int
    pending: int
    activates_at: datetime | None


class WhyOut(BaseModel):
    rule: str
    points: int
    applied: bool
    code: str
    reason: str


class PurchaseOut(BaseModel):
    id: str
    status: str
    customer: str | None
    reference: str
    currency: str
    amount_minor: int
    tax_minor: int | None
    basis_minor: int
    lines: list[dict[str, Any]]
    tenders: list[dict[str, Any]]
    store: str | None
    till: str
    staff_ref: str
    channel: str
    basket: str
    points: PointsOut
    why: list[WhyOut]
    refunded_minor: int
    balance: BalanceOut | None = None
    tier: str | None
    occurred_at: datetime
    created_at: datetime


class WaitingOut(BaseModel):
    """Kept until its customer (unmatched) or its purchase (parked) is known."""

    id: str
    status: Literal["unmatched", "parked"]
    reference: str


class CalculationOut(BaseModel):
    points: PointsOut
    why: list[WhyOut]
    basis_minor: int
    tier: str | None


class RefundOut(BaseModel):
    id: str
    status: str
    purchase: str | None
    reference: str
    amount_minor: int | None
    clawed_back: int
    returned: int
    written_off: int
    occurred_at: datetime | None
    balance: BalanceOut | None = None


class ExchangeOut(BaseModel):
    refund: RefundOut
    purchase: PurchaseOut


class AdjustmentOut(BaseModel):
    id: str
    customer: str
    points: int
    reason: str
    reference: str
    balance: BalanceOut


class HoldOut(BaseModel):
    """`points` are held while it is active; of them `captured` were used. `balance` is not in reads."""

    id: str
    status: Literal["active", "captured", "cancelled", "expired"]
    customer: str
    points: int
    captured: int
    reference: str
    expires_at: datetime
    created_at: datetime
    balance: BalanceOut | None = None


class TierOut(BaseModel):
    id: str
    name: str
    at: int
    multiplier: str
    metric: str
    program: str
    perks: list[dict[str, Any]]


class RuleOut(BaseModel):
    id: str
    kind: str
    label: str
    params: dict[str, Any]


class ProgramOut(BaseModel):
    id: str
    name: str
    points_name: str
    currency: str
    version: int
    rounding: str
    earns_on: dict[str, Any]
    expiry: dict[str, Any]
    refunds: dict[str, Any]
    earning: list[RuleOut]
    tiers: list[str]


class TouchpointOut(BaseModel):
    id: str
    customer: str | None
    anonymous_id: str | None
    kind: str
    channel: str
    reference: str | None
    data: dict[str, Any]
    occurred_at: datetime
    created_at: datetime


class TimelineOut(BaseModel):
    id: str
    kind: str
    channel: str
    reference: str | None
    data: dict[str, Any]
    occurred_at: datetime


class ResultOut(BaseModel):
    event_id: str | None
    status: Literal["created", "replayed", "parked", "rejected"]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class BatchOut(BaseModel):
    results: list[ResultOut]
