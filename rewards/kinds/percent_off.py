from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from rewards.kinds.base import Kind, Minor, Params, Worth


class PercentOffParams(Params):
    percent: Annotated[int, Field(ge=1, le=100)] = Field(description="How many percent are taken off.")
    max_amount_minor: Minor | None = Field(None, description="At most so much money.")


class PercentOff(Kind):
    """A voucher that takes a share off a purchase."""

    kind, label = "percent_off", _("Percent off")
    makes_voucher = True
    Params = PercentOffParams

    def worth(self, params: Any, *, name: str, currency: str) -> Worth:
        return {**super().worth(params, name=name, currency=currency), "currency": currency}
