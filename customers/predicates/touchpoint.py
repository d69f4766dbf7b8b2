from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class HadTouchpoint(base.Predicate):
    """Something happened to the customer, so many times in a number of days."""

    kind, label = "touchpoint", _("Had a touchpoint")

    class Params(base.Params):
        name: base.Name = Field(description="Its kind, like page.viewed or email.opened.")
        days: base.Days = Field(90, description="In the last so many days, today included.")
        at_least: int = Field(1, ge=1, le=1_000_000, description="So many times or more.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        return (
            f"(SELECT COUNT(*) FROM customers_touchpoint t WHERE t.merchant_id = c.merchant_id "
            f"AND t.customer_id IN {base.SELVES} AND t.kind = %s AND t.occurred_at >= %s "
            f"AND t.occurred_at <= %s) >= %s",
            [params.name, moment.starts(params.days - 1), moment.at, params.at_least],
        )
