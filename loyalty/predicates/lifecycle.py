from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

Stage = Literal["prospect", "new", "active", "lapsed"]


class Lifecycle(base.Predicate):
    """
    Where the customer stands: never bought, bought first lately, bought lately again, or long silent.
    """

    kind, label = "lifecycle", _("Stage")

    class Params(base.Params):
        stages: tuple[Stage, ...] = Field(min_length=1, description="Any of these stages.")
        days: base.Days = Field(90, description="So many days are lately.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of(
            "CASE WHEN life.last IS NULL THEN 'prospect' WHEN life.last < %s THEN 'lapsed' "
            "WHEN life.days = 1 THEN 'new' ELSE 'active' END",
            params.stages,
        )
        return (
            "EXISTS (SELECT 1 FROM (SELECT MAX(d.day) AS last, COUNT(DISTINCT d.day) AS days "
            "FROM loyalty_revenueday d WHERE d.merchant_id = c.merchant_id AND d.customer_id = c.id "
            f"AND d.orders > 0) AS life WHERE {inside})",
            [moment.days_ago(params.days), *values],
        )
