"""Tier sets: a draft is edited, previewed and published; the live one is copied to be changed."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import linebreaksbr
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib import money
from lib.admin import ConfigAdmin, Door, OneMerchantForm, Rows, dress_input
from loyalty import tier_perks, tier_reviews
from loyalty.admin import perk_lines
from loyalty.admin.perk_lines import PerkLines
from loyalty.models import Tier, TierSet
from loyalty.program_sections import sections


class TierForm(forms.ModelForm):  # type: ignore[type-arg]
    """One level. With money as the metric its threshold is typed as people write money."""

    at = forms.DecimalField(
        min_value=0,
        max_digits=14,
        label=_("Reached at"),
        help_text=_("Money as it is written (500.00), or points, purchases, days."),
    )

    perks = PerkLines(required=False, label=_("Perks"), help_text=perk_lines.HELP)

    class Meta:
        model = Tier
        fields = ["name", "at", "multiplier", "perks"]

    def __init__(self, *args: Any, tier_set: TierSet, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.tier_set = tier_set
        dress_input(self.fields["at"].widget)
        dress_input(self.fields["perks"].widget)
        if self.instance.at is not None:
            self.initial["at"] = Decimal(self.instance.at).scaleb(-self.digits)

    @property
    def digits(self) -> int:
        # Asked late: the set's own form fills in the metric after this form is made.
        if self.tier_set.metric != TierSet.Metric.SPEND or not self.tier_set.program_id:
            return 0
        return money.minor_digits(self.tier_set.program.merchant.currency)

    def clean_at(self) -> int:
        minor = self.cleaned_data["at"].scaleb(self.digits)
        if minor != int(minor):
            raise forms.ValidationError(_("Too many decimals."))
        return int(minor)

    def clean_perks(self) -> list[dict[str, Any]]:
        perks: list[dict[str, Any]] = self.cleaned_data["perks"]
        wanted = {perk["reward"] for perk in perks if perk["kind"] == tier_perks.REWARD}
        section = sections().get("rewards")
        if wanted and section is not None and self.tier_set.program_id:
            program = self.tier_set.program
            known = {one["id"] for one in section.current(merchant=program.merchant, program=program)}
            if missing := ", ".join(sorted(wanted - known)):
                raise forms.ValidationError(_("There is no reward %(ids)s.") % {"ids": missing})
        return perks


class TierFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "tier_set": self.instance}

    def clean(self) -> None:
        super().clean()
        kept = [
            form.cleaned_data["at"]
            for form in self.forms
            if form.cleaned_data.get("at") is not None and not form.cleaned_data.get("DELETE")
        ]
        if kept and min(kept) > 0:
            raise forms.ValidationError(
                _("The lowest level is reached at 0: everybody starts there. Add it or lower one.")
            )


class TierRows(Rows):
    model = Tier
    form = TierForm
    formset = TierFormSet
    extra = 1
    hide_title = True
    readonly_fields = ["shown_perks"]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name", "at", "multiplier", "perks" if self._is_open(obj) else "shown_perks"]

    @admin.display(description=_("Perks"))
    def shown_perks(self, tier: Tier) -> Any:
        return linebreaksbr(perk_lines.write(tier.perks)) or "–"

    def _is_open(self, obj: Any) -> bool:
        return obj is None or obj.status == TierSet.Status.DRAFT

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_open(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_open(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_open(obj) and super().has_delete_permission(request, obj)


class TierSetForm(OneMerchantForm):
    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("window") == TierSet.Window.ROLLING_DAYS and not said.get("window_days"):
            self.add_error("window_days", _("Say how many days count."))
        return said


@admin.register(TierSet)
class TierSetAdmin(ConfigAdmin):
    form = TierSetForm
    merchant_from = "program"
    menu, menu_order, icon = "program", 30, "military_tech"
    list_display = ["program", "status", "levels", "metric", "window", "published_at"]
    list_select_related = ["program"]
    list_filter = ["program", "status"]
    ordering = ["-created_at"]
    inlines = [TierRows]
    actions = None
    readonly_fields = ["status"]
    change_form_before_template = "admin/loyalty/tierset/steps.html"
    doors = [
        Door("preview", "preview_view", "view"),
        Door("publish", "publish_view", "change"),
        Door("copy", "copy_view", "add"),
    ]
    fieldsets = [
        (None, {"fields": ["program", "status", "metric", "window", "window_days", "first_month"]}),
        (_("Going down"), {"fields": ["downgrade_steps", "grace_days"], "classes": ["collapse"]}),
        (_("Publish by itself"), {"fields": ["publish_at"], "classes": ["collapse"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("program__merchant").prefetch_related("tiers")

    @admin.display(description=_("Levels"))
    def levels(self, tier_set: TierSet) -> str:
        return " → ".join(tier.name for tier in tier_set.tiers.all()) or "–"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_open = obj is None or obj.status == TierSet.Status.DRAFT
        return is_open and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_open = obj is None or obj.status == TierSet.Status.DRAFT
        return is_open and super().has_delete_permission(request, obj)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id)
        more = {"tier_set": row, "may_copy": row and self.may(request, "add", row)}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})

    def preview_view(self, request: HttpRequest, tier_set: TierSet) -> HttpResponse:
        """Who lands where, before anything moves."""
        shown = tier_reviews.preview(tier_set=tier_set, at=timezone.now())
        people = Customer.objects.in_bulk([one["customer_id"] for one in shown["examples"]])
        page = self.page(
            request,
            _("Who moves"),
            tier_set=tier_set,
            preview=shown,
            preview_rows=[
                {"name": name, "before": shown["before"].get(name, 0), "after": shown["after"].get(name, 0)}
                for name in [*(old for old in shown["before"] if old not in shown["after"]), *shown["after"]]
            ],
            examples=[
                {**one, "customer": people[one["customer_id"]]}
                for one in shown["examples"]
                if one["customer_id"] in people
            ],
            may_publish=self.has_change_permission(request, tier_set),
            buttons=self.buttons(request, tier_set),
        )
        return TemplateResponse(request, "admin/loyalty/tierset/preview.html", page)

    def publish_view(self, request: HttpRequest, tier_set: TierSet) -> HttpResponse:
        if request.method != "POST" or not self.has_change_permission(request, tier_set):
            raise PermissionDenied
        by, at = request.user.get_username(), timezone.now()
        done = self.attempt(
            request,
            lambda: tier_reviews.publish(tier_set=tier_set, at=at, by=by),
            _("These tiers are live now. The customers move in the next minutes."),
        )
        return self.back_to(tier_set) if done else self.preview_view(request, tier_set)

    def copy_view(self, request: HttpRequest, tier_set: TierSet) -> HttpResponse:
        """Make a draft with the same levels: a live set is never edited under its customers."""
        if request.method != "POST":
            raise PermissionDenied
        draft = TierSet.objects.create(
            merchant_id=tier_set.merchant_id,
            program=tier_set.program,
            **{name: getattr(tier_set, name) for name in COPIED},
        )
        for tier in tier_set.tiers.all():
            Tier.objects.create(
                merchant_id=tier.merchant_id,
                tier_set=draft,
                name=tier.name,
                at=tier.at,
                multiplier=tier.multiplier,
                perks=tier.perks,
            )
        self.message_user(
            request, _("A draft with the same levels. Change it, then look who moves."), messages.INFO
        )
        return self.back_to(draft)


COPIED = ("metric", "window", "window_days", "first_month", "downgrade_steps", "grace_days")
