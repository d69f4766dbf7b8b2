"""The first page: who is not signed in is asked to, a member sees the balance and what will become of it."""

from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from engagement import inbox
from engagement.surveys import asking
from loyalty import balances, programs
from loyalty.plan import Plan
from portal import benefits, history, sign_in, words
from portal.visits import Visit, door, show

LATEST = 3
SHOWN_DATES = 3


@require_http_methods(["GET", "HEAD", "POST"])
@door
def page(visit: Visit) -> HttpResponse:
    if visit.customer is None:
        sign_in.keep_code(visit)
        return sign_in.ask(visit)
    now = timezone.now()
    try:
        plan = programs.current(merchant=visit.merchant)
        balance = balances.balance(merchant=visit.merchant, customer_id=visit.customer.pk, at=now)
    except programs.NoProgram:
        return show(visit, "no_program", here="home")
    return show(
        visit,
        "home",
        here="home",
        plan=plan,
        balance=balance,
        worth=worth(plan, balance["available"]),
        asked=_asked(visit, at=now),
        unread=inbox.count_unread(customer=visit.customer),
        level=level(plan, balance["tier"], locale=visit.locale),
        benefits=benefits.card(visit, plan, balance["tier"], at=now),
        activating=balance["activating"][:SHOWN_DATES],
        expiring=balance["expiring"][:SHOWN_DATES],
        movements=history.latest(visit, plan=plan, limit=LATEST),
    )


def _asked(visit: Visit, *, at: datetime) -> dict[str, str] | None:
    """Return the question that waits for this customer, and where it is answered."""
    waiting = asking.waiting(customer=visit.member, at=at)
    if waiting is None:
        return None
    return {
        "question": asking.words(waiting.survey, visit.language).question,
        "token": asking.token(waiting),
    }


def worth(plan: Plan, points: int) -> int:
    """Return what the points are worth in minor units; parts of one are cut off."""
    return int((plan.point_value_minor * points).quantize(Decimal(1), rounding=ROUND_DOWN))


def level(plan: Plan, tier: dict[str, Any], *, locale: str) -> dict[str, Any] | None:
    """Return the tier as the page draws it: how far the bar is, and the sentences; None without tiers."""
    if not plan.tiers.levels:
        return None
    following = plan.tiers.level(tier["next"] or "")
    reached = following.at - tier["to_next"] if following and tier["to_next"] is not None else None
    return {
        "name": tier["name"],
        "next": tier["next"],
        "value": reached,
        "max": following.at if following else None,
        "value_words": amount(plan, reached or 0, locale=locale) if following else "",
        "max_words": amount(plan, following.at, locale=locale) if following else "",
        "sentences": sentences(plan, tier, locale=locale),
    }


def sentences(plan: Plan, tier: dict[str, Any], *, locale: str) -> list[str]:
    """Return what it takes to rise and to stay, in plain words."""
    said = []
    if tier["next"]:
        said.append(
            _("%(amount)s to %(tier)s.")
            % {"amount": more(plan, tier["to_next"], locale=locale), "tier": tier["next"]}
        )
    if tier["until"] is not None and tier["to_stay"] is not None:
        last_day = words.day(words.last_moment(tier["until"]), locale=locale)
        if tier["to_stay"]:
            said.append(
                _("%(amount)s by %(day)s keep %(tier)s.")
                % {
                    "amount": more(plan, tier["to_stay"], locale=locale),
                    "day": last_day,
                    "tier": tier["name"],
                }
            )
        else:
            said.append(_("%(tier)s is yours until %(day)s.") % {"tier": tier["name"], "day": last_day})
    elif not tier["next"]:
        said.append(_("You have reached the highest level."))
    return said


def more(plan: Plan, figure: int, *, locale: str) -> str:
    """Return a missing figure of the tiers' metric: `120 more beans`, `€12.00 more`."""
    number = {"number": words.number(figure, locale=locale)}
    match plan.tiers.metric:
        case "spend":
            return _("%(money)s more") % {"money": words.money(figure, plan.currency, locale=locale)}
        case "points_earned":
            return _("%(number)s more %(points)s") % {**number, "points": plan.points_name}
        case "purchases":
            return _("%(number)s more purchases") % number
    return _("%(number)s more visits") % number


def amount(plan: Plan, figure: int, *, locale: str) -> str:
    """Return a figure of the tiers' metric, short: money or a number."""
    if plan.tiers.metric == "spend":
        return words.money(figure, plan.currency, locale=locale)
    return words.number(figure, locale=locale)
