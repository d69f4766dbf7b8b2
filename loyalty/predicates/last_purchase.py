from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class LastPurchase(base.Predicate):
    """How many days ago the customer last bought. Who never bought is not met."""

    kind, label = "last_purchase", _("Days since the last purchase")

    class Params(base.Params):
        at_least: int | None = Field(None, ge=0, le=36_500, description="So many days ago, or longer.")
        at_most: int | None = Field(None, ge=0, le=36_500, description="So many days ago, or later.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        last = (
            "(SELECT MAX(d.day) FROM loyalty_revenueday d WHERE d.merchant_id = c.merchant_id "
            "AND d.customer_id = c.id AND d.orders > 0)"
        )
        parts, values = [f"{last} IS NOT NULL"], []
        if params.at_least is not None:
            parts.append(f"{last} <= %s")
            values.append(moment.days_ago(params.at_least))
        if params.at_most is not None:
            parts.append(f"{last} >= %s")
            values.append(moment.days_ago(params.at_most))
        return " AND ".join(f"COALESCE({part}, FALSE)" for part in parts), values
