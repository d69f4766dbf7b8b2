"""Who brought whom: claimed at the counter, listed for support."""

from typing import Annotated, Any

import django_filters
from django.db.models import Q, QuerySet

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Long
from api.filters import Filters
from api.referral_shapes import ReferralOut
from customers.models import Referral
from customers.referrals import Claim
from lib import public_ids
from loyalty import referrals


class ReferralIn(Body):
    """`customer` is the friend, `device` an id of the friend's device where an app tells one."""

    code: Annotated[str, fields.text(20, least=1)]
    customer: Annotated[str, fields.text(60, least=1)]
    device: Long = ""


class ReferralFilters(Filters):
    customer = django_filters.CharFilter(method="of", label="Either side: who brought, or was brought")
    state = django_filters.ChoiceFilter(choices=Referral.State.choices, label="One state")

    def of(self, rows: QuerySet[Referral], name: str, value: str) -> QuerySet[Referral]:
        number = public_ids.read("cus", value)
        return rows.none() if number is None else rows.filter(Q(referrer=number) | Q(friend=number))


class Referrals(Door):
    @call(
        scopes=("customers:read",),
        answers={200: ReferralOut},
        filters=ReferralFilters,
        orderings=("-id",),
    )
    def get(self) -> Answer:
        """List referrals with their states and reasons, newest first."""
        rows = Referral.objects.filter(merchant=self.merchant)
        return self.listed(rows, shape=lambda rows: [shown(row) for row in rows])


class Claims(Door):
    @call(
        scopes=("customers:write",),
        body=ReferralIn,
        answers={201: ReferralOut, 200: ReferralOut},
    )
    def post(self, said: ReferralIn) -> Answer:
        """
        Say with which customer's code this customer came, up to 30 days after joining and before any purchase.

        Saying it again answers 200 with the same referral; another code is 409 `already_referred`.
        """
        friend = named(self, said.customer)
        return self.do(
            lambda: referrals.claim(
                friend=friend, claim=Claim(said.code, device=said.device), at=self.at, by=self.by
            ),
            show=lambda made: Answer(201 if made[1] else 200, shown(made[0]), customer_id=friend.pk),
        )


def shown(one: Referral) -> dict[str, Any]:
    """Return a referral as it is answered."""
    return {
        "id": one.public_id,
        "state": one.state,
        "code": one.code,
        "referrer": public_ids.show("cus", one.referrer_id),
        "friend": public_ids.show("cus", one.friend_id),
        "points": {"referrer": one.referrer_points, "friend": one.friend_points},
        "signals": one.signals,
        "refusal": one.refusal or None,
        "reason": one.reason or None,
        "purchase": public_ids.show("pur", one.purchase_id) if one.purchase_id else None,
        "claimed_at": one.claimed_at,
        "expires_at": one.expires_at,
        "qualified_at": one.qualified_at,
        "activates_at": one.activates_at,
        "rewarded_at": one.rewarded_at,
        "ended_at": one.ended_at,
    }
