from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class AccountAge(base.Predicate):
    """How many days ago the customer joined."""

    kind, label = "account_age", _("Days since joining")

    class Params(base.Params):
        at_least: base.Days | None = Field(None, description="Joined so many days ago, or longer.")
        at_most: base.Days | None = Field(None, description="Joined so many days ago, or later.")

    _all: ClassVar[str] = "c.created_at IS NOT NULL"

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        parts, values = [self._all], []
        if params.at_least is not None:
            parts.append("c.created_at < %s")
            values.append(moment.starts(params.at_least - 1))
        if params.at_most is not None:
            parts.append("c.created_at >= %s")
            values.append(moment.starts(params.at_most))
        return " AND ".join(parts), values
