from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class Language(base.Predicate):
    """The language the customer chose."""

    kind, label = "language", _("Language")

    class Params(base.Params):
        languages: tuple[base.Name, ...] = Field(min_length=1, description="Codes, like pt or de.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        return base.one_of("c.language", params.languages)
