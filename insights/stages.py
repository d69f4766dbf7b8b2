"""The five stages of a customer's way, and which touchpoints count as which."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from customers.touchpoints import is_kind
from insights.models import JourneySnapshot, JourneyStages
from lib import db
from lib.errors import Fault, Malformed
from merchants.models import Merchant

Stages = dict[str, list[str]]

NAMES = {
    "awareness": _("Awareness"),
    "consideration": _("Consideration"),
    "decision": _("Decision"),
    "retention": _("Retention"),
    "advocacy": _("Advocacy"),
}
DEFAULT: Stages = {
    "awareness": ["page.viewed", "ad.clicked", "social.engaged", "message.opened"],
    "consideration": ["product.viewed", "basket.updated", "checkout.started", "message.clicked"],
    "decision": ["purchase.recorded"],
    "retention": ["reward.redeemed", "perk.used", "tier.changed", "support.contacted"],
    "advocacy": ["review.posted", "survey.answered", "referral.qualified", "referral.rewarded"],
}
MOST_KINDS = 60


class BadStages(Malformed):
    code = "bad_stages"


def of(merchant: Merchant) -> Stages:
    """Return a merchant's stages in their order, each with its kinds; those of the service if they set none."""
    own = JourneyStages.objects.filter(merchant=merchant).values_list("kinds", flat=True).first()
    return {name: list((own or DEFAULT).get(name, ())) for name in NAMES}


def checked(told: Mapping[str, Sequence[str]]) -> Stages:
    """
    Return what was said, complete and in order.

    :raises BadStages: a stage or a kind that cannot be one, a kind in two stages, no kind at all
    """
    faults = [
        Fault(f"/{name}", "not_a_choice", f"must be one of {', '.join(NAMES)}")
        for name in told
        if name not in NAMES
    ]
    seen: dict[str, str] = {}
    for name in NAMES:
        for kind in told.get(name, ()):
            if not is_kind(kind):
                faults.append(Fault(f"/{name}", "not_a_kind", f"{kind!r} does not read like page.viewed"))
            elif kind in seen:
                faults.append(Fault(f"/{name}", "twice", f"{kind} stands in {seen[kind]} already"))
            seen.setdefault(kind, name)
    if not seen:
        faults.append(Fault("", "required", "name at least one kind of touchpoint"))
    if len(seen) > MOST_KINDS:
        faults.append(Fault("", "too_many", f"at most {MOST_KINDS} kinds"))
    if faults:
        raise BadStages("; ".join(str(fault.detail) for fault in faults), faults=faults)
    return {name: list(told.get(name, ())) for name in NAMES}


@db.inside_transaction
def save(*, merchant: Merchant, kinds: Mapping[str, Sequence[str]]) -> None:
    """Put a merchant's stages in force. The snapshot that was made with others goes."""
    row = JourneyStages.objects.filter(merchant=merchant).first() or JourneyStages(merchant=merchant)
    wanted = checked(kinds)
    if row.kinds != wanted:
        row.kinds = wanted
        row.save()
        JourneySnapshot.objects.filter(merchant=merchant).delete()
