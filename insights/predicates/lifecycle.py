from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base
from insights.models import Lifecycle

Where = Literal["prospect", "new", "active", "at_risk", "lapsed", "won_back"]


class ComputedLifecycle(base.Predicate):
    """
    Where the customer stands, found every night with the shop's own lapse window: never bought, new, active, at
    risk, lapsed, or won back.
    """

    kind, label = "computed_lifecycle", _("Lifecycle")

    class Params(base.Params):
        lifecycles: tuple[Where, ...] = Field(min_length=1, description="Any of these.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        scored = [Lifecycle[name.upper()].value for name in params.lifecycles if name != "prospect"]
        parts: list[str] = []
        values: list[Any] = []
        row = "insights_clvscore v WHERE v.merchant_id = c.merchant_id AND v.customer_id = c.id"
        if scored:
            marks = ", ".join(["%s"] * len(scored))
            parts.append(f"EXISTS (SELECT 1 FROM {row} AND v.lifecycle IN ({marks}) {base.ALONE})")
            values += scored
        if "prospect" in params.lifecycles:
            parts.append(f"NOT EXISTS (SELECT 1 FROM {row} {base.ALONE})")
        return f"({' OR '.join(parts)})", values
