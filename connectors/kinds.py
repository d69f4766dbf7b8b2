"""
The kinds of events that webhooks tell, with what each says. They are a contract: names and fields stay.

Pure: the settings read it to name what `connectors.outbox` hears.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

# What `data` holds beside the customer, by kind. What a diary's note holds beside these is our own affair.
PUBLIC: Mapping[str, tuple[str, ...]] = {
    "bonus.given": ("points", "rule", "kind"),
    "consent.given": ("channel", "purpose", "source"),
    "consent.withdrawn": ("channel", "purpose", "source"),
    "customer.blocked": ("by",),
    "customer.changed": ("fields", "by"),
    "customer.converted": (),
    "customer.enrolled": ("by", "store"),
    "customer.erased": (),
    "customer.merged": ("source", "target", "by"),
    "customer.unblocked": ("by",),
    "customer.unmerged": ("source", "target", "by"),
    "flow.signaled": ("flow", "name", "run", "key", "data"),
    "gift_card.charged": ("gift_card", "amount_minor", "currency", "balance_minor", "reference"),
    "gift_card.issued": ("gift_card", "amount_minor", "currency", "balance_minor", "reference"),
    "gift_card.refunded": ("gift_card", "amount_minor", "currency", "balance_minor", "reference"),
    "household.declined": ("household", "by"),
    "household.invited": ("household",),
    "household.joined": ("household", "agreed", "by"),
    "household.left": ("household", "by"),
    "identifier.added": ("type", "by"),
    "identifier.removed": ("type", "by"),
    "identifier.verified": ("type", "by"),
    "message.due": ("message", "subject", "text"),
    "perk.given": ("perk", "name", "kind", "tier", "points"),
    "perk.rolled_back": ("perk", "name", "tier", "use", "reference"),
    "perk.taken_back": ("perk", "name", "kind", "tier", "points"),
    "perk.used": ("perk", "name", "tier", "use", "reference"),
    "points.activated": ("points",),
    "points.adjusted": ("points", "reason", "by"),
    "points.expired": ("points",),
    "points.received": ("points", "other"),
    "points.reinstated": ("points", "reason", "by"),
    "points.sent": ("points", "other"),
    "purchase.recorded": ("purchase", "points", "amount_minor", "currency", "basket"),
    "purchase.refunded": ("purchase", "points", "amount_minor", "currency", "returned"),
    "purchase.voided": ("purchase", "points"),
    "redemption.cancelled": ("redemption", "reward", "reward_id", "kind", "points"),
    "redemption.failed": ("redemption", "reward", "reward_id", "kind", "points"),
    "redemption.fulfilled": ("redemption", "reward", "reward_id", "kind", "points"),
    "referral.clawed_back": ("referral", "role", "points"),
    "referral.expired": ("referral", "role", "points"),
    "referral.flagged": ("referral", "role", "points"),
    "referral.joined": ("referral", "role", "points"),
    "referral.qualified": ("referral", "role", "points"),
    "referral.rejected": ("referral", "role", "points"),
    "referral.rewarded": ("referral", "role", "points"),
    "refund.undone": ("purchase", "points", "amount_minor", "currency"),
    "reward.redeemed": ("redemption", "reward", "reward_id", "kind", "points"),
    "segment.entered": ("segment", "id"),
    "segment.left": ("segment", "id"),
    "survey.answered": ("survey", "answer", "score", "band", "is_unhappy", "has_comment"),
    "tier.changed": ("from", "to"),
    "tier.warned": ("tier", "to_stay", "until"),
    "voucher.cancelled": ("voucher", "name"),
    "voucher.issued": ("voucher", "name", "origin", "expires_at"),
    "voucher.redeemed": ("voucher", "name", "use", "reference"),
    "voucher.rolled_back": ("voucher", "name", "use", "reference"),
}
TEST = "webhook.test"


def is_pattern(text: str) -> bool:
    """Tell whether it names a kind or, with `.*` or as `*`, at least one."""
    return text == "*" or any(fits(text, kind) for kind in PUBLIC)


def fits(pattern: str, kind: str) -> bool:
    """Tell whether `points.*` fits `points.adjusted`; a kind fits itself, `*` everything."""
    return pattern in ("*", kind) or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))


@lru_cache(maxsize=4096)
def _wanted(patterns: tuple[str, ...]) -> frozenset[str]:
    return frozenset(kind for kind in PUBLIC if any(fits(one, kind) for one in patterns))


def wanted(patterns: Iterable[str]) -> frozenset[str]:
    """Return the kinds that these patterns mean."""
    return _wanted(tuple(patterns))


def listed() -> Sequence[str]:
    return sorted(PUBLIC)
