from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base
from insights.models import Band

Name = Literal["lowest", "low", "middle", "high", "top"]


class ClvBand(base.Predicate):
    """The fifth of all buyers the customer is in, by what they are expected to be worth in the next twelve months."""

    kind, label = "clv_band", _("Customer value")

    class Params(base.Params):
        bands: tuple[Name, ...] = Field(min_length=1, description="Any of these fifths.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        marks = ", ".join(["%s"] * len(params.bands))
        return (
            "EXISTS (SELECT 1 FROM insights_clvscore v WHERE v.merchant_id = c.merchant_id "
            f"AND v.customer_id = c.id AND v.band IN ({marks}) {base.ALONE})",
            [Band[name.upper()].value for name in params.bands],
        )
