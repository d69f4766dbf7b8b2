"""Points on the customer's page: balance, tier, statement, purchases; adjusting, reinstating, giving a tier."""

from datetime import datetime, time
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from customers import merging
from customers.admin.customer import COLUMNS, ENROLL, RELATED, CustomerAdmin
from customers.admin.forms import Enroll
from customers.admin.panels import PANELS, PRESENT, Panel
from customers.models import Customer
from lib import money
from lib.admin import Door
from loyalty import adjustments, balances, expiry, ledger, members, programs, statement, tier_reviews
from loyalty.models import Membership, Purchase, TierChange

# Columns of the list -------------------------------------------------------------------------------


def _memberships() -> "Prefetch[Any]":
    return Prefetch("memberships", ledger.with_balance(Membership.objects.order_by("program_id")))


def _membership(customer: Customer) -> Any:
    return next(iter(customer.memberships.all()), None)


@admin.display(description=_("Points"))
def points(customer: Customer) -> str:
    """The usable points; what is owed is shown below zero."""
    one = _membership(customer)
    if one is None:
        return "–"
    return f"{one.points_active - one.points_debt:,}"


@admin.display(description=_("Tier"))
def tier(customer: Customer) -> str:
    one = _membership(customer)
    return format_html('<span class="l-tag">{}</span>', one.tier) if one and one.tier else "–"


COLUMNS += [points, tier]
RELATED.append(_memberships)


def _enroll(request: HttpRequest, form: Enroll) -> Customer:
    said = form.cleaned_data
    return members.enroll(
        merchant=said["merchant"],
        name=said["name"],
        identifiers=form.given(),
        birthday=said["birthday"],
        language=said["language"],
        at=timezone.now(),
        by=request.user.get_username(),
    )


ENROLL.append(_enroll)


# Panels --------------------------------------------------------------------------------------------


def _standing(request: HttpRequest, customer: Customer) -> dict[str, Any] | None:
    if customer.status not in PRESENT:
        return None
    try:
        plan = programs.current(merchant=customer.merchant)
    except programs.NoProgram:
        return None
    shown = balances.balance(merchant=customer.merchant, customer_id=customer.pk, at=timezone.now())
    level = shown["tier"]
    reached = next((one.at for one in plan.tiers.levels if one.name == level["next"]), 0)
    done = reached - (level["to_next"] or 0)
    return {
        "balance": shown,
        "points_name": plan.points_name,
        "worth": money.show(
            int(shown["active"] * plan.point_value_minor), plan.currency, translation.get_language()
        ),
        "tier": level,
        "percent": min(100, 100 * done // reached) if reached else 100,
        "to_next": _measure(plan, level["to_next"]),
        "to_stay": _measure(plan, level["to_stay"]),
    }


def _measure(plan: Any, figure: int | None) -> str:
    """Return a tier's figure in words: money for spend, a number and its unit for the rest."""
    if not figure:
        return ""
    match plan.tiers.metric:
        case "spend":
            return money.show(figure, plan.currency, translation.get_language())
        case "points_earned":
            return f"{figure:,} {plan.points_name}"
        case "purchases":
            return _("%(count)s purchases") % {"count": figure}
    return _("%(count)s visits") % {"count": figure}


def _entries(customer: Customer, start: int, stop: int) -> list[dict[str, Any]]:
    language = translation.get_language() or "en"
    rows = statement.entries(customer=customer).select_related("account__membership__program")
    return [
        {
            "entry": entry,
            "sentence": statement.sentence(entry, language=language, points_name=points_name),
            "details": statement.details(entry, language=language, points_name=points_name),
        }
        for entry in rows[start:stop]
        for points_name in [entry.account.membership.program.points_name]
    ]


def _purchases(customer: Customer, start: int, stop: int) -> list[dict[str, Any]]:
    language = translation.get_language()
    everybody = merging.everybody(customer)
    rows = Purchase.objects.filter(merchant=customer.merchant_id, customer__in=everybody)
    return [
        {"purchase": one, "amount": money.show(one.amount_minor, one.currency, language)}
        for one in rows.order_by("-occurred_at", "-pk").select_related("store")[start:stop]
    ]


def _tier_changes(customer: Customer, start: int, stop: int) -> Any:
    rows = TierChange.objects.filter(membership__customer=customer, membership__merchant=customer.merchant_id)
    return rows.order_by("-at", "-pk")[start:stop]


FOLDER = "admin/loyalty/customer"
PANELS += [
    Panel("points", _("Points and tier"), f"{FOLDER}/standing.html", "loyalty.view_membership", 5, context=_standing),
    Panel(
        "statement", _("Statement"), f"{FOLDER}/statement.html", "loyalty.view_entry", 10,
        rows=_entries, empty=_("No points moved yet."),
    ),
    Panel(
        "purchases", _("Purchases"), f"{FOLDER}/purchases.html", "loyalty.view_purchase", 20,
        rows=_purchases, empty=_("No purchase yet."),
    ),
    Panel(
        "tiers", _("Tier history"), f"{FOLDER}/tiers.html", "loyalty.view_tierchange", 50, is_side=True,
        rows=_tier_changes, empty=_("No move yet."),
    ),
]  # fmt: skip


# What staff do -------------------------------------------------------------------------------------


class TokenForm(forms.Form):
    """A form that counts once: its token is the command's reference, however often it is sent."""

    token = forms.UUIDField(widget=forms.HiddenInput())

    def __init__(self, data: Any = None):
        super().__init__(data, initial={"token": uuid4().hex})


class AdjustForm(TokenForm):
    points = forms.IntegerField(
        label=_("Points"), help_text=_("Positive gives, negative takes. Never below what is there.")
    )
    reason = forms.CharField(
        max_length=200, label=_("Reason"), help_text=_("The customer reads it in the statement.")
    )


class ReinstateForm(TokenForm):
    points = forms.IntegerField(min_value=1, label=_("Points"))
    reason = forms.CharField(max_length=200, label=_("Reason"))


class TierForm(forms.Form):
    tier = forms.ChoiceField(label=_("Tier"))
    until = forms.DateField(
        required=False,
        label=_("Until"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("The last day; empty: for ever. No job lowers it before."),
    )
    reason = forms.CharField(max_length=200, label=_("Reason"))

    def __init__(self, data: Any, *, levels: list[str], now: str):
        super().__init__(data, initial={"tier": now})
        self.fields["tier"].choices = [(name, name) for name in levels]  # type: ignore[attr-defined]


def _who(request: HttpRequest) -> dict[str, Any]:
    return {"at": timezone.now(), "by": request.user.get_username()}


def adjust_view(page: CustomerAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    return page.said(
        request,
        customer,
        AdjustForm(request.POST or None),
        title=_("Adjust points"),
        button=_("Book"),
        done=_("Booked, once."),
        do=lambda said: adjustments.adjust(
            customer=customer,
            points=said["points"],
            reason=said["reason"],
            reference=f"admin:{said['token'].hex}",
            source="admin",
            **_who(request),
        ),
    )


def reinstate_view(page: CustomerAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    return page.said(
        request,
        customer,
        ReinstateForm(request.POST or None),
        title=_("Give expired points back"),
        button=_("Give back"),
        done=_("Given back, once."),
        do=lambda said: expiry.reinstate(
            merchant=customer.merchant,
            customer_id=customer.pk,
            points=said["points"],
            reason=said["reason"],
            reference=f"admin:{said['token'].hex}",
            **_who(request),
        ),
    )


def tier_view(page: CustomerAdmin, request: HttpRequest, customer: Customer) -> HttpResponse:
    levels = programs.current(merchant=customer.merchant).tiers.levels
    now = Membership.objects.filter(customer=customer).values_list("tier", flat=True).first() or ""
    zone = customer.merchant.zone
    return page.said(
        request,
        customer,
        TierForm(request.POST or None, levels=[level.name for level in levels], now=now),
        title=_("Give a tier"),
        button=_("Give"),
        done=_("The tier is given."),
        do=lambda said: tier_reviews.assign(
            customer=customer,
            tier=said["tier"],
            until=datetime.combine(said["until"], time.max, tzinfo=zone) if said["until"] else None,
            reason=said["reason"],
            **_who(request),
        ),
    )


def _is_active(customer: Customer) -> bool:
    return customer.status in PRESENT


CustomerAdmin.doors = [
    Door("adjust", adjust_view, "loyalty.adjust_points", _("Adjust points"), fits=_is_active),
    Door("reinstate", reinstate_view, "loyalty.adjust_points", _("Give expired back"), fits=_is_active),
    Door("tier", tier_view, "loyalty.assign_tier", _("Give a tier"), fits=_is_active),
    *CustomerAdmin.doors,
]
