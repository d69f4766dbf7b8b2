from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base
from loyalty import ledger


class Balance(base.Predicate):
    """Points that can be spent now."""

    kind, label = "balance", _("Points to spend")

    class Params(base.Params):
        at_least: base.Count | None = Field(None, description="So many points or more.")
        at_most: base.Count | None = Field(None, description="So many points or fewer.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        limits, values = base.between("available.points", params.at_least, params.at_most)
        return (
            f"EXISTS (SELECT 1 FROM ({ledger.available_sql()}) AS available WHERE {limits} {base.ALONE})",
            values,
        )
