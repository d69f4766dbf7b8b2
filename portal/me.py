"""My data: how the shop recognizes me, what I allow, what is kept, and the way out."""

import calendar
from typing import Any

import orjson
from babel.dates import get_month_names
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from customers import erasure, people
from customers.consent import Choice
from customers.models import Identifier
from engagement import inbox
from lib.errors import DomainError
from portal import choices, refusals, visits
from portal.visits import Visit, member_door, show

NEWS = ("email", "marketing")


class NameForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


class BirthdayForm(forms.Form):
    day = forms.TypedChoiceField(
        label=gettext_lazy("Day"),
        error_messages={"required": gettext_lazy("Choose a day.")},
        choices=[("", "–"), *((str(day), str(day)) for day in range(1, 32))],
        coerce=int,
    )
    month = forms.TypedChoiceField(
        label=gettext_lazy("Month"), error_messages={"required": gettext_lazy("Choose a month.")}, coerce=int
    )

    def __init__(self, *args: Any, locale: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        names = get_month_names("wide", context="stand-alone", locale=locale)
        self.fields["month"].choices = [("", "–"), *((str(month), names[month]) for month in range(1, 13))]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if "day" in said and "month" in said and said["day"] > calendar.monthrange(2024, said["month"])[1]:
            self.add_error("day", _("This month has fewer days."))
        return said

    @property
    def value(self) -> str:
        """The birthday as it is kept: 05-31."""
        return f"{self.cleaned_data['month']:02}-{self.cleaned_data['day']:02}"


class LeaveForm(forms.Form):
    understood = forms.BooleanField(
        error_messages={"required": gettext_lazy("Tick the box if you really want to leave.")}
    )


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    return _page(visit)


def _page(visit: Visit, *, status: int = 200, **forms_with_errors: forms.Form) -> HttpResponse:
    customer = visit.member
    contacts = Identifier.objects.filter(merchant=visit.merchant, customer=customer).order_by("type", "pk")
    month, _dash, day = customer.birthday.partition("-")
    context: dict[str, Any] = {
        "contacts": contacts,
        "options": choices.options(customer),
        "unread": inbox.count_unread(customer=customer),
        "name_form": NameForm(initial={"name": customer.name}),
        "birthday_form": BirthdayForm(
            locale=visit.locale, initial={"day": day.lstrip("0"), "month": month.lstrip("0")}
        ),
    }
    return show(visit, "me", status=status, here="me", **{**context, **forms_with_errors})


@require_POST
@member_door
def name(visit: Visit) -> HttpResponse:
    form = NameForm(visit.request.POST)
    if form.is_valid():
        try:
            people.change(
                customer=visit.member, at=timezone.now(), by="customer", name=form.cleaned_data["name"]
            )
            return _saved(visit)
        except DomainError as refusal:
            form.add_error("name", refusals.words(refusal))
    return _page(visit, status=422, name_form=form)


@require_POST
@member_door
def birthday(visit: Visit) -> HttpResponse:
    form = BirthdayForm(visit.request.POST, locale=visit.locale)
    if form.is_valid():
        try:
            people.change(customer=visit.member, at=timezone.now(), by="customer", birthday=form.value)
            return _saved(visit)
        except DomainError as refusal:
            form.add_error("day", refusals.words(refusal))
    return _page(visit, status=422, birthday_form=form)


@require_POST
@member_door
def consents(visit: Visit) -> HttpResponse:
    choices.save(visit.member, visit.request.POST, source="portal")
    return _saved(visit)


def choice(visit: Visit, *, is_granted: bool) -> Choice:
    """Return the answer to the one thing asked of who joins: news by e-mail."""
    channel, purpose = NEWS
    return Choice(channel, purpose, is_granted, source="portal", wording=wording(visit))


def wording(visit: Visit) -> str:
    """Return the sentence a customer says yes to; it is kept with the answer."""
    return _("%(shop)s may send me news and offers by e-mail. I can stop this at any time.") % {
        "shop": visit.merchant.name
    }


@require_safe
@member_door
def data(visit: Visit) -> HttpResponse:
    """Download everything that is kept about this customer, for programs."""
    kept = erasure.export(customer=visit.member)
    return _file(
        visit, orjson.dumps(kept, default=str, option=orjson.OPT_INDENT_2), "application/json", "json"
    )


@require_safe
@member_door
def sheets(visit: Visit) -> HttpResponse:
    """Download the same as spreadsheets, one per table."""
    kept = erasure.export(customer=visit.member)
    return _file(visit, erasure.archive(kept), "application/zip", "zip")


def _file(visit: Visit, body: bytes, content_type: str, ending: str) -> HttpResponse:
    response = HttpResponse(body, content_type=content_type)
    name = f"{visit.merchant.slug}-{timezone.localtime().date().isoformat()}.{ending}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@member_door
def leave(visit: Visit) -> HttpResponse:
    """Leave the program for good: asked once more, with what is lost."""
    form = LeaveForm(visit.request.POST if visit.request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        erasure.erase(customer=visit.member, at=timezone.now(), by="customer")
        visits.sign_out(visit)
        messages.info(visit.request, _("You have left, and your data is deleted. Take care!"))
        return redirect("portal:home", slug=visit.merchant.slug)
    return show(visit, "leave", status=422 if form.is_bound else 200, form=form, here="me")


def _saved(visit: Visit) -> HttpResponse:
    messages.success(visit.request, _("Saved."))
    return redirect("portal:me", slug=visit.merchant.slug)
