from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base
from lib import db


class Category(base.Predicate):
    """The customer bought something of one of these categories."""

    kind, label = "category", _("Bought of a category")

    class Params(base.Params):
        categories: tuple[base.Name, ...] = Field(min_length=1, description="As the till names them.")
        days: base.Days = Field(365, description="In the last so many days, today included.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("line.value ->> 'category'", params.categories)
        each = "jsonb_array_elements(p.lines)" if db.is_postgres() else "json_each(p.lines)"
        return (
            f"EXISTS (SELECT 1 FROM loyalty_purchase p, {each} AS line WHERE p.merchant_id = c.merchant_id "
            f"AND p.customer_id IN {base.SELVES} AND p.status = 'recorded' AND p.occurred_at >= %s "
            f"AND p.occurred_at <= %s AND {inside} {base.ALONE})",
            [moment.starts(params.days - 1), moment.at, *values],
        )
