from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

SUMS = {"orders": "SUM(d.orders)", "net_revenue": "SUM(d.net_revenue_minor)"}


class Purchases(base.Predicate):
    """How often or for how much the customer bought in a number of days; net of refunds and tax."""

    kind, label = "purchases", _("Purchases")

    class Params(base.Params):
        count: Literal["orders", "net_revenue"] = Field(
            "orders", description="Purchases, or what they were worth in cents of the shop's currency."
        )
        days: base.Days = Field(365, description="In the last so many days, today included.")
        at_least: base.Count | None = Field(None, description="So much or more.")
        at_most: base.Count | None = Field(None, description="So much or less.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        only = "AND d.currency = %s " if params.count == "net_revenue" else ""
        total = (
            f"(SELECT COALESCE({SUMS[params.count]}, 0) AS figure FROM loyalty_revenueday d "
            "WHERE d.merchant_id = c.merchant_id AND d.customer_id = c.id AND d.day > %s AND d.day <= %s "
            f"{only}) AS bought"
        )
        limits, values = base.between("bought.figure", params.at_least, params.at_most)
        window = [moment.days_ago(params.days), moment.today, *([moment.merchant.currency] if only else [])]
        return f"EXISTS (SELECT 1 FROM {total} WHERE {limits})", [*window, *values]
