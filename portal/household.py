"""My household: say yes or no to it, see the pool, move points, leave."""

import re
import secrets
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from lib.errors import DomainError
from loyalty import balances, households, programs, transfers
from loyalty.models import HouseholdMember
from portal import refusals
from portal.visits import Visit, member_door, show

SOURCE = "portal"
_TOKEN = re.compile(r"[0-9a-f]{32}")


class PointsForm(forms.Form):
    points = forms.IntegerField(
        label=gettext_lazy("How many points"),
        min_value=1,
        max_value=10**9,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    return _page(visit, _place(visit))


@require_POST
@member_door
def join(visit: Visit) -> HttpResponse:
    """Say yes. Pressing twice changes nothing."""
    place = _place(visit)
    try:
        households.accept(
            household=place.household,
            customer=visit.member,
            at=timezone.now(),
            by="customer",
            agreed=HouseholdMember.Agreed.PORTAL,
        )
    except DomainError as refusal:
        messages.error(visit.request, refusals.words(refusal))
    else:
        messages.success(visit.request, _("You share points now."))
    return redirect("portal:household", slug=visit.merchant.slug)


@require_POST
@member_door
def leave(visit: Visit) -> HttpResponse:
    """Leave, or say no. What is in the pool stays with the others."""
    place = _place(visit)
    try:
        households.leave(household=place.household, customer=visit.member, at=timezone.now(), by="customer")
    except DomainError as refusal:
        messages.error(visit.request, refusals.words(refusal))
        return redirect("portal:household", slug=visit.merchant.slug)
    messages.success(visit.request, _("You no longer share points."))
    return redirect("portal:me", slug=visit.merchant.slug)


@require_POST
@member_door
def points(visit: Visit) -> HttpResponse:
    """Move points into the pool, or out of it. The form carries a number of its own: pressing twice moves once."""
    place = _place(visit)
    form = PointsForm(visit.request.POST)
    token = visit.request.POST.get("token", "")
    if not form.is_valid() or not _TOKEN.fullmatch(token):
        return _page(visit, place, form=form, status=422)
    is_out = "out" in visit.request.POST
    sides = (place.household.holder, visit.member) if is_out else (visit.member, place.household.holder)
    try:
        transfers.transfer(
            source=sides[0],
            target=sides[1],
            points=form.cleaned_data["points"],
            reference=f"form:{token}",
            by="customer",
            at=timezone.now(),
            said_by=SOURCE,
            program_id=place.household.program_id,
        )
    except DomainError as refusal:
        form.add_error("points", refusals.words(refusal))
        return _page(visit, place, form=form, status=422)
    messages.success(
        visit.request, _("The points are yours again.") if is_out else _("The points are in the pool.")
    )
    return redirect("portal:household", slug=visit.merchant.slug)


def _place(visit: Visit) -> HouseholdMember:
    place = households.of(customer=visit.member)
    if place is None:
        raise Http404
    place.household.merchant = place.household.holder.merchant = visit.merchant
    return place


def _page(
    visit: Visit, place: HouseholdMember, *, form: PointsForm | None = None, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    household = place.household
    mine = balances.balance(
        merchant=visit.merchant, customer_id=visit.member.pk, at=now, program_id=household.program_id
    )
    pool = households.read(household=household, at=now)
    others = [one for one in pool.members if one.pk != place.pk]
    context: dict[str, Any] = {
        "plan": programs.current(merchant=visit.merchant, program_id=household.program_id),
        "place": place,
        "pool": pool,
        "available": mine["available"],
        "others": [(one.customer.merged_into or one.customer, one.joined_at is None) for one in others],
        "may_take_out": households.may_take_out(place),
        "form": form or PointsForm(),
        "token": secrets.token_hex(16),
    }
    return show(visit, "household", status=status, here="me", **context)
