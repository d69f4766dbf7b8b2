from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

Month = Annotated[int, Field(ge=1, le=12)]


class Birthday(base.Predicate):
    """The month of the birthday."""

    kind, label = "birthday_month", _("Birthday is in")

    class Params(base.Params):
        months: tuple[Month, ...] = Field((), description="Months as numbers, like 5, 6. Empty: this month.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        months = params.months or (moment.today.month,)
        return base.one_of("substr(c.birthday, 1, 2)", tuple(f"{month:02}" for month in months))
