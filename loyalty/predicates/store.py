from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class BoughtAt(base.Predicate):
    """The customer bought in one of these stores."""

    kind, label = "store", _("Bought in a store")

    class Params(base.Params):
        stores: tuple[base.Name, ...] = Field(min_length=1, description="Codes of stores.")
        days: base.Days = Field(365, description="In the last so many days, today included.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("s.code", params.stores)
        return (
            "EXISTS (SELECT 1 FROM loyalty_purchase p JOIN merchants_store s ON s.id = p.store_id "
            f"WHERE p.merchant_id = c.merchant_id AND p.customer_id IN {base.SELVES} "
            f"AND p.status = 'recorded' AND p.occurred_at >= %s AND p.occurred_at <= %s AND {inside} {base.ALONE})",
            [moment.starts(params.days - 1), moment.at, *values],
        )
