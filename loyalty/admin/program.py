"""The program itself, and what was published of it."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from lib.admin import ConfigAdmin, FactAdmin, OneMerchantForm
from loyalty import programs
from loyalty.models import Program, ProgramVersion
from loyalty.program_document import Referral

MOST_POINTS = 1_000_000_000
REFERRAL = ("referrer_points", "friend_points", "min_amount_minor", "cap_per_month", "cap_per_year")


def read_referral(told: dict[str, Any]) -> dict[str, Any]:
    """Return the section as the program file has it: complete, without caps that are not set."""
    said = {name: value for name, value in told.items() if value is not None}
    return Referral.model_validate(said).model_dump(exclude_none=True)


def put_in_force(page: ConfigAdmin, request: HttpRequest, found: set[Program]) -> None:
    """Publish the programs and say so. :raises DomainError:"""
    for one in found:
        version = programs.publish(program=one, at=timezone.now(), by=request.user.get_username())
        if version:
            page.message_user(
                request,
                _("In force from now on: version %(number)s of %(program)s. Earlier sales keep their rules.")
                % {"number": version.number, "program": one.name},
                messages.INFO,
            )


class ProgramForm(OneMerchantForm):
    """A program, and what it pays for bringing friends, which is a part of the program file kept as told."""

    referrer_points = forms.IntegerField(
        min_value=0,
        max_value=MOST_POINTS,
        required=False,
        label=_("Points for who brings a friend"),
        help_text=_("Empty: bringing friends pays nothing, and no code is taken."),
    )
    friend_points = forms.IntegerField(
        min_value=0, max_value=MOST_POINTS, required=False, label=_("Points for the friend")
    )
    min_amount_minor = forms.IntegerField(
        min_value=0,
        max_value=10**12,
        required=False,
        label=_("Least first purchase, in cents"),
        help_text=_("Both get their points once it can no longer be returned."),
    )
    cap_per_month = forms.IntegerField(
        min_value=1, max_value=1_000_000, required=False, label=_("Most paid friends a month")
    )
    cap_per_year = forms.IntegerField(
        min_value=1, max_value=1_000_000, required=False, label=_("Most paid friends a year")
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name, value in self.instance.extras.get("referral", {}).items():
            if name in self.fields:
                self.fields[name].initial = value

    def save(self, commit: bool = True) -> Any:
        said = self.cleaned_data
        others = {name: part for name, part in self.instance.extras.items() if name != "referral"}
        if said["referrer_points"] is not None:
            told = {name: said[name] for name in REFERRAL}
            others["referral"] = read_referral(told)
        self.instance.extras = others
        return super().save(commit)

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        mode = said.get("expiry_mode")
        if mode in NEEDS_MONTHS and not said.get("expiry_months"):
            self.add_error("expiry_months", _("Say after how many months."))
        if mode == Program.Expiry.AGE_ROUNDED and not said.get("expiry_round_to"):
            self.add_error("expiry_round_to", _("Say to the end of which period."))
        if mode == Program.Expiry.FIXED_DAY and not said.get("expiry_day"):
            self.add_error("expiry_day", _("Say on which day of the year, like 12-31."))
        return said


NEEDS_MONTHS = (Program.Expiry.AGE, Program.Expiry.AGE_ROUNDED, Program.Expiry.INACTIVITY)


@admin.register(Program)
class ProgramAdmin(ConfigAdmin):
    form = ProgramForm
    menu, menu_order, icon = "program", 10, "tune"
    list_display = ["name", "points_name", "expiry_mode", "is_active", "merchant"]
    list_select_related = ["merchant"]
    search_fields = ["name"]
    can_delete = False
    fieldsets = [
        (None, {"fields": ["merchant", "name", "points_name", "is_active"]}),
        (_("Earning"), {"fields": ["rounding", "tax"]}),
        (
            _("Expiry"),
            {
                "fields": [
                    *("expiry_mode", "expiry_months", "expiry_round_to", "expiry_day", "reinstate_days"),
                    *("extend_days", "extend_without_contact"),
                ],
                "description": _("A change counts for points earned from now on."),
            },
        ),
        (_("Refunds"), {"fields": ["refund_policy", "refund_min_days_left", "refund_return_days"]}),
        (_("Bringing friends"), {"fields": list(REFERRAL)}),
        (
            _("Figures for reports"),
            {
                "fields": ["point_value_minor", "point_cost_minor", "gross_margin", "annual_discount"],
                "classes": ["collapse"],
            },
        ),
    ]

    def after_save(self, request: HttpRequest, rows: Any) -> None:
        put_in_force(self, request, set(rows))


@admin.register(ProgramVersion)
class ProgramVersionAdmin(FactAdmin):
    """What was in force when: sales are judged by the version of their own time."""

    menu, menu_order, icon = "program", 40, "history"
    list_display = ["program", "number", "starts_at", "by", "merchant"]
    list_select_related = ["program", "merchant"]
    ordering = ("-starts_at",)
    fieldsets = [(None, {"fields": ["program", "number", "starts_at", "by", "content"]})]
    readonly_fields = ["content"]

    @admin.display(description=_("Content"))
    def content(self, version: ProgramVersion) -> str:
        text = json.dumps(version.document, indent=2, ensure_ascii=False)
        return format_html('<pre class="l-secret">{}</pre>', text)
