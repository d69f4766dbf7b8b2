"""How long the periodic work of this room has been waiting: see config/periodic.py."""

from datetime import datetime

from customers.models import Referral
from lib.due import Ids, earliest, whose
from loyalty import ledger
from loyalty.models import TierSet

State = Referral.State


def settle(*, at: datetime, merchants: Ids) -> datetime | None:
    return ledger.due_since(at=at, merchants=merchants)


def review_tiers(*, at: datetime, merchants: Ids) -> datetime | None:
    """Only drafts: a customer's check date may lie in the past for as long as the program's grace lasts."""
    drafts = TierSet.objects.filter(status=TierSet.Status.DRAFT, publish_at__lte=at)
    return earliest(whose(drafts, merchants), "publish_at")


def pay_referrals(*, at: datetime, merchants: Ids) -> datetime | None:
    over = (
        earliest(whose(Referral.objects.filter(state=state, **{f"{due}__lte": at}), merchants), due)
        for state, due in ((State.JOINED, "expires_at"), (State.QUALIFIED, "activates_at"))
    )
    return min((when for when in over if when is not None), default=None)


DUE = {
    "loyalty.tasks.settle": settle,
    "loyalty.tasks.review_tiers": review_tiers,
    "loyalty.tasks.pay_referrals": pay_referrals,
}
