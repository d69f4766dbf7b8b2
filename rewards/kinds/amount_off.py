from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from rewards.kinds.base import Kind, Minor, Params, Worth


class AmountOffParams(Params):
    amount_minor: Minor = Field(description="How much is taken off the purchase.")
    min_basket_minor: int = Field(0, ge=0, le=10**12, description="Only from this purchase on.")


class AmountOff(Kind):
    """A voucher that takes a fixed amount off a purchase."""

    kind, label = "amount_off", _("Amount off")
    makes_voucher = True
    Params = AmountOffParams

    def worth(self, params: Any, *, name: str, currency: str) -> Worth:
        return {**super().worth(params, name=name, currency=currency), "currency": currency}
