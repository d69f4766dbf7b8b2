"""The shapes of outgoing webhooks."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Reason = Literal["failing", "gone", "staff"]


class EndpointOut(BaseModel):
    """One address that hears what happens."""

    id: str
    url: str
    description: str
    kinds: list[str]
    filters: dict[str, Any]
    mapping: dict[str, str]
    is_on: bool
    disabled_at: datetime | None
    disabled_reason: Reason | None
    failing_since: datetime | None = Field(description="The first failure after the last success.")
    previous_secret_until: datetime | None = Field(description="Until then messages are signed by both.")
    created_at: datetime


class EndpointMadeOut(EndpointOut):
    """`secret` is said once, here: a repeat with the same Idempotency-Key says null."""

    secret: str | None


class AttemptOut(BaseModel):
    """One attempt. `status` is null when nobody answered; `note` says what went wrong."""

    at: datetime
    status: int | None
    ms: int
    note: str


class DeliveryOut(BaseModel):
    """One event on its way to one endpoint."""

    id: str
    endpoint: str
    event: str = Field(description="The event's id: the `webhook-id` of every attempt.")
    type: str
    sequence: str
    customer: str | None
    state: Literal["queued", "sending", "delivered", "failed", "dead"]
    attempts: int
    next_at: datetime | None = Field(description="When it is tried next, while it waits.")
    last_status: int | None
    excerpt: str = Field(description="How the last answer began.")
    log: list[AttemptOut]
    created_at: datetime
    delivered_at: datetime | None
