from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

Percent = Annotated[int, Field(ge=0, le=100)]


class AtRisk(base.Predicate):
    """
    How probable it is that the customer does not buy within the lapse window, in percent. Below 50 they need
    nothing, above 95 they are gone.
    """

    kind, label = "at_risk", _("Risk of losing them")

    class Params(base.Params):
        min: Percent = 50
        max: Percent = 95

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        return (
            "EXISTS (SELECT 1 FROM insights_clvscore v WHERE v.merchant_id = c.merchant_id "
            "AND v.customer_id = c.id AND v.at_risk BETWEEN %s AND %s AND EXISTS (SELECT 1 FROM insights_clvrun u "
            f"WHERE u.id = v.run_id AND u.status <> 'history_only') {base.ALONE})",
            [params.min / 100, params.max / 100],
        )
