from typing import Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import Field

from customers.predicates import base

State = Literal["joined", "flagged", "qualified", "rewarded", "rejected", "expired", "clawed_back"]


class Referred(base.Predicate):
    """The customer brought somebody, or was brought."""

    kind, label = "referral", _("Referral")

    class Params(base.Params):
        role: Literal["referrer", "friend"] = Field(
            "referrer", description="Brought somebody, or was brought."
        )
        states: tuple[State, ...] = Field((), description="Only in these states. Empty: any.")

    def where(self, params: Any, moment: base.Moment) -> base.Where:
        inside, values = base.one_of("f.state", params.states) if params.states else ("1 = 1", [])
        column = "f.referrer_id" if params.role == "referrer" else "f.friend_id"
        return (
            "EXISTS (SELECT 1 FROM customers_referral f WHERE f.merchant_id = c.merchant_id "
            f"AND {column} = c.id AND {inside} {base.ALONE})",
            values,
        )
