from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class Reachable(base.Predicate):
    """There is a verified address to write to."""

    kind, label = "reachable", _("Can be reached by")

    class Params(base.Params):
        channel: Literal["email", "phone"] = Field(description="E-mail or phone.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        return (
            "EXISTS (SELECT 1 FROM customers_identifier i WHERE i.customer_id = c.id AND i.type = %s "
            f"AND i.verified_at IS NOT NULL {base.ALONE})",
            [params.channel],
        )
