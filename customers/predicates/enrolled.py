from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class Enrolled(base.Predicate):
    """Where the customer joined: at one of these stores; without any, anywhere but in a store."""

    kind, label = "enrolled", _("Joined at")

    class Params(base.Params):
        stores: tuple[base.Name, ...] = Field((), description="Codes of stores. Empty: online, in no store.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("COALESCE(t.data ->> 'store', '')", params.stores or ("",))
        return (
            "EXISTS (SELECT 1 FROM customers_touchpoint t WHERE t.merchant_id = c.merchant_id "
            f"AND t.customer_id = c.id AND t.kind = 'customer.enrolled' AND {inside} {base.ALONE})",
            values,
        )
