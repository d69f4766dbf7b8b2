from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class Tier(base.Predicate):
    """The customer has one of these tiers now."""

    kind, label = "tier", _("Tier")

    class Params(base.Params):
        tiers: tuple[base.Name, ...] = Field(min_length=1, description="Names of levels.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("m.tier", params.tiers)
        return (
            "EXISTS (SELECT 1 FROM loyalty_membership m WHERE m.merchant_id = c.merchant_id "
            f"AND m.customer_id = c.id AND {inside} {base.ALONE})",
            values,
        )
