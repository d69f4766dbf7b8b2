from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from rewards.kinds.base import Kind, Minor, Params, Worth


class PaymentParams(Params):
    amount_minor: Minor = Field(description="What the cost in points pays: one step.")
    min_points: int = Field(0, ge=0, le=10**9, description="At least so many points at a time.")
    max_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        100, description="At most so many percent of a purchase."
    )


class PointsAsPayment(Kind):
    """Points pay a part of a purchase, in whole steps of money."""

    kind, label = "points_as_payment", _("Points as payment")
    Params = PaymentParams

    def worth(self, params: Any, *, name: str, currency: str) -> Worth:
        return {**super().worth(params, name=name, currency=currency), "currency": currency}
