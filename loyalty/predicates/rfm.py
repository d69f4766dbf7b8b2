from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

# fmt: off
Group = Literal[
    "champion", "cannot_lose", "at_risk", "loyal", "new", "promising", "needs_attention", "hibernating", "lost",
]
# fmt: on


class Rfm(base.Predicate):
    """How lately, often and for how much the customer buys, compared with all who ever bought."""

    kind, label = "rfm", _("RFM group")

    class Params(base.Params):
        groups: tuple[Group, ...] = Field(min_length=1, description="One of these groups.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("s.name", params.groups)
        return (
            "EXISTS (SELECT 1 FROM loyalty_rfmscore s WHERE s.merchant_id = c.merchant_id "
            f"AND s.customer_id = c.id AND {inside} {base.ALONE})",
            values,
        )
