"""Refer a friend: the own code and link, and what became of it, in plain words and without a name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from customers import referrals as claims
from customers.models import Customer, Referral
from lib import qr
from lib.http import client_address
from loyalty import programs, referrals
from loyalty.plan import Plan
from loyalty.plan import Referral as Terms
from portal import words
from portal.visits import Visit, member_door, show

SHOWN = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One referral as its customer reads it."""

    sentence: str
    at: datetime
    points: int
    is_waiting: bool = False


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    plan, offered = _terms(visit)
    now = timezone.now()
    claims.saw(customer=visit.member, at=now, address=client_address(visit.request))
    rows = _rows(visit.member)
    mine = [one for one in rows if one.friend_id != visit.member.pk]
    context: dict[str, Any] = {
        "plan": plan,
        "link": link(visit),
        "promise": promise(plan, offered, locale=visit.locale),
        "lines": [_line(one, plan, offered, locale=visit.locale) for one in mine],
        "own": [_own(one, plan, offered, locale=visit.locale) for one in rows if one not in mine],
    }
    return show(visit, "refer", here="refer", **context)


@require_safe
@member_door
def picture(visit: Visit) -> HttpResponse:
    """The link as a QR code, to be scanned from this screen."""
    _terms(visit)
    return HttpResponse(qr.svg(link(visit)), content_type="image/svg+xml")


def _terms(visit: Visit) -> tuple[Plan, Terms]:
    """:raises Http404: this shop's program does not pay for bringing friends"""
    offered = referrals.terms(merchant=visit.merchant)
    if offered is None:
        raise Http404
    return programs.current(merchant=visit.merchant), offered


def link(visit: Visit) -> str:
    """Return the address to hand on: who opens it and joins has this customer's code filled in."""
    path = reverse("portal:home", args=[visit.merchant.slug])
    return visit.request.build_absolute_uri(f"{path}?ref={visit.member.referral_code}")


def _rows(customer: Customer) -> list[Referral]:
    rows = Referral.objects.filter(merchant=customer.merchant_id)
    return list(rows.filter(Q(referrer=customer) | Q(friend=customer)).order_by("-pk")[:SHOWN])


def promise(plan: Plan, offered: Terms, *, locale: str) -> str:
    """Return what both sides get, and when."""
    said = {
        "mine": words.number(offered.referrer_points, locale=locale),
        "theirs": words.number(offered.friend_points, locale=locale),
        "points": plan.points_name,
        "when": _when(plan, offered, locale=locale),
    }
    if offered.friend_points:
        return _("You get %(mine)s %(points)s and your friend gets %(theirs)s, %(when)s.") % said
    return _("You get %(mine)s %(points)s, %(when)s.") % said


def _when(plan: Plan, offered: Terms, *, locale: str) -> str:
    if offered.min_amount_minor:
        least = words.money(offered.min_amount_minor, plan.currency, locale=locale)
        return _("after their first purchase of %(least)s or more") % {"least": least}
    return _("after their first purchase")


def _line(one: Referral, plan: Plan, offered: Terms, *, locale: str) -> Line:
    said = {
        "points": f"{words.number(one.referrer_points, locale=locale)} {plan.points_name}",
        "day": words.day(one.activates_at, locale=locale) if one.activates_at else "",
        "when": _when(plan, offered, locale=locale),
    }
    match one.state:
        case "joined":
            text = _("A friend joined. Your points come %(when)s.") % said
        case "flagged":
            text = _("A friend joined. The shop takes a look before it counts.")
        case "qualified" if one.referrer_points:
            text = _("A friend made their first purchase. Your points are yours to use on %(day)s.") % said
        case "rewarded" if one.referrer_points:
            text = _("A friend made their first purchase. Your points are yours to use.")
        case "qualified" | "rewarded":
            text = _("A friend made their first purchase. You had the most friends that count already.")
        case "expired":
            text = _("A friend joined but did not buy anything in time.")
        case "clawed_back":
            text = _("A friend returned their first purchase. The points were taken back.")
        case _ if one.refusal == "was_here_before":
            text = _("A friend joined who had been a member before. That does not count.")
        case _:
            text = _("The shop did not count this friend. Please ask there if you wonder why.")
    return _shown(one, text, one.referrer_points)


def _own(one: Referral, plan: Plan, offered: Terms, *, locale: str) -> Line:
    day = words.day(one.activates_at, locale=locale) if one.activates_at else ""
    match one.state:
        case "joined":
            text = _("You came with a friend's code. Your points come with your first purchase.")
        case "flagged":
            text = _("You came with a friend's code. The shop takes a look before it counts.")
        case "qualified":
            text = _("You came with a friend's code. Your points are yours to use on %(day)s.") % {"day": day}
        case "rewarded":
            text = _("You came with a friend's code. Your points are yours to use.")
        case "expired":
            text = _("You came with a friend's code, but its time is over.")
        case "clawed_back":
            text = _(
                "You came with a friend's code. The purchase was returned, so the points were taken back."
            )
        case _:
            text = _(
                "You came with a friend's code, which does not count. Please ask at the shop if you wonder why."
            )
    return _shown(one, text, one.friend_points)


def _shown(one: Referral, text: str, points: int) -> Line:
    at = one.ended_at or one.qualified_at or one.claimed_at
    has_points = one.state in ("qualified", "rewarded")
    return Line(text, at, points if has_points else 0, is_waiting=one.state == "qualified")
