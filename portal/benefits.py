"""What the customer's level gives, and what is left of it, in plain words; and what the next level adds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import tier_perks
from loyalty.plan import Plan
from portal import words
from portal.visits import Visit
from rewards import perks
from rewards.perks import Holding


@dataclass(frozen=True, slots=True)
class Line:
    """One benefit: its name, how much of it there is, and whether there is none now."""

    name: str
    state: str
    is_used_up: bool = False


def card(visit: Visit, plan: Plan, tier: dict[str, Any], *, at: datetime) -> dict[str, Any] | None:
    """Return what the card shows; None where neither this level nor the next one gives anything."""
    next_level = plan.tiers.level(tier["next"] or "")
    mine = tier_perks.held(plan.tiers, tier["name"] or "")
    ahead = [one.name for one in tier_perks.of_level(next_level)] if next_level else []
    if not mine and not ahead:
        return None
    found = perks.of_customer(customer=visit.member, at=at) if mine else []
    found.sort(key=lambda one: one.perk.is_on_entry)
    return {
        # What is given on entry is shown to who got it: a promise about the past is none.
        "lines": [_line(one, visit.locale) for one in found if not one.perk.is_on_entry or one.used],
        "next": tier["next"],
        "ahead": list(dict.fromkeys(ahead)),
    }


def _line(holding: Holding, locale: str) -> Line:
    perk = holding.perk
    if perk.is_on_entry:
        return Line(perk.name, _("Yours since you reached %(tier)s") % {"tier": perk.tier})
    if holding.left is None:
        return Line(perk.name, _("As often as you like"))
    if holding.left == 0:
        if holding.resets_at is None:
            return Line(perk.name, _("All used"), is_used_up=True)
        day = words.day(holding.resets_at, locale=locale)
        return Line(perk.name, _("All used, again from %(day)s") % {"day": day}, is_used_up=True)
    said = {"number": words.number(holding.left, locale=locale)}
    if holding.resets_at is None:
        return Line(perk.name, ngettext("%(number)s left", "%(number)s left", holding.left) % said)
    day = words.day(words.last_moment(holding.resets_at), locale=locale)
    left = ngettext("%(number)s left until %(day)s", "%(number)s left until %(day)s", holding.left)
    return Line(perk.name, left % (said | {"day": day}))
