from typing import Any

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base


class Consent(base.Predicate):
    """The customer's newest answer for this channel and purpose is yes."""

    kind, label = "consent", _("Agreed to be written to")

    class Params(base.Params):
        channel: base.Name = Field(description="Like email or sms.")
        purpose: base.Name = Field("marketing", description="What for.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        newest = (
            "SELECT k.granted FROM customers_consent k WHERE k.customer_id = c.id "
            "AND k.channel = %s AND k.purpose = %s ORDER BY k.at DESC, k.id DESC LIMIT 1"
        )
        return f"COALESCE(({newest}), FALSE)", [params.channel, params.purpose]
