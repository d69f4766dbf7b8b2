"""Rewards: first the kind is chosen, then its own settings are asked."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError as Wrong

from lib.admin import OneMerchantForm, dress_input
from loyalty.admin import rule_form
from loyalty.admin.kinds import KindAdmin
from loyalty.admin.rule_form import input_name
from loyalty.models import Program
from rewards import catalogue, program_section
from rewards.kinds import KINDS, Params
from rewards.models import Reward

COUNTS = ("per_customer", "per_day", "valid_days")
LABELS = {
    "amount_minor": _("Amount"),
    "min_basket_minor": _("Smallest purchase"),
    "percent": _("Percent"),
    "max_amount_minor": _("Most money off"),
    "max_percent": _("Most percent of a purchase"),
    "min_points": _("Fewest points"),
    "skus": _("Article numbers"),
    "recipient": _("For"),
}


class PictureField(forms.URLField):
    """An address; one without its beginning gets https."""

    def __init__(self, **kwargs: Any):
        super().__init__(assume_scheme="https", **kwargs)


class RewardForm(OneMerchantForm):
    """A reward with the settings of its kind as inputs. The stock is said in all, what was redeemed included."""

    kind = ""
    model_of_params: type[Params] = Params
    tiers = rule_form.Names(
        label=_("Only for these tiers"), required=False, help_text=_("Separate several with commas.")
    )
    segments = rule_form.Names(
        label=_("Only for these segments"), required=False, help_text=_("Separate several with commas.")
    )

    class Meta:
        model = Reward
        field_classes: ClassVar[dict[str, Any]] = {"image_url": PictureField}
        fields = [
            *("program", "code", "name", "description", "cost", "stock_total", "per_customer", "per_day"),
            *(
                "valid_days",
                "tiers",
                "segments",
                "starts_at",
                "ends_at",
                "image_url",
                "position",
                "is_active",
            ),
        ]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name in self.model_of_params.model_fields:
            stored = (self.instance.params or {}).get(name)
            if stored is not None:
                self.initial[input_name(name)] = stored
        for name in COUNTS:
            if name in self.fields:
                self.fields[name].validators.append(MinValueValidator(1))
        for name in ("cost", "stock_total"):
            if name in self.fields:
                least = 1 if name == "cost" and self.kind == "points_as_payment" else 0
                self.fields[name].validators.append(MinValueValidator(least))

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        params = {
            name: said[input_name(name)]
            for name in self.model_of_params.model_fields
            if said.get(input_name(name)) not in (None, "", [])
        }
        if said.get("starts_at") and said.get("ends_at") and said["starts_at"] >= said["ends_at"]:
            self.add_error("ends_at", _("The end must be after the beginning."))
        try:
            params = program_section.settings(self.kind, params)
        except Wrong as error:
            for fault in error.errors(include_url=False):
                name = input_name(str(fault["loc"][0])) if fault["loc"] else ""
                if name not in self.errors:
                    field = name if name in self.fields else None
                    self.add_error(field, rule_form.in_plain_words(fault))
        else:
            self.instance.kind, self.instance.params = self.kind, params
        return said


def inputs(model: type[Params], *, currency: str) -> dict[str, forms.Field]:
    """Return an input for each setting of a kind."""
    found: dict[str, forms.Field] = {}
    for name, info in model.model_fields.items():
        field = found[input_name(name)] = rule_form.field_for(name, info, currency=currency)
        field.label = LABELS.get(name, field.label)
        if name.endswith("_minor"):
            about = say(info.description or "")
            field.help_text = say("%(about)s In %(currency)s.") % {"about": about, "currency": currency}
    return found


@admin.register(Reward)
class RewardAdmin(KindAdmin):
    """A reward is switched off, not deleted: what was redeemed stays known."""

    kinds, form_of_kind = KINDS, RewardForm
    question, names_kinds = _("What do points buy?"), _("Kinds of rewards")
    merchant_from = "program"
    menu, menu_order, icon = "rewards", 10, "redeem"
    can_delete = False
    list_display = ["name", "shown_kind", "cost", "left", "is_active", "program"]
    list_select_related = ["program__merchant"]
    list_filter = ["program", "is_active"]
    search_fields = ["code", "name"]
    ordering = ["position", "cost", "id"]

    @admin.display(description=_("Kind"), ordering="kind")
    def shown_kind(self, reward: Reward) -> str:
        known = self.plugin(reward.kind)
        return str(known.label) if known else reward.kind

    @admin.display(description=_("Left"))
    def left(self, reward: Reward) -> str:
        if reward.stock is None:
            return "–"
        # What an ended hold has left counts as left, also before a job has put it back.
        held, lapsed = reward.held, reward.lapsed  # type: ignore[attr-defined]  # see catalogue.with_holds
        said = {"left": reward.stock + lapsed, "total": reward.stock_total, "held": held}
        if held:
            return say("%(left)s of %(total)s, %(held)s at a checkout") % said
        return say("%(left)s of %(total)s") % said

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Reward]":
        return catalogue.with_holds(super().get_queryset(request), at=timezone.now())

    def inputs(self, params: Any, *, currency: str) -> Mapping[str, forms.Field]:
        return inputs(params, currency=currency)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        for name in ("tiers", "segments"):
            if name in form.base_fields:
                dress_input(form.base_fields[name].widget)
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        known = self.plugin(self.kind(request, obj))
        if not known:
            return [(None, {"fields": ["program", "code", "name", "kind", "params", "cost", "is_active"]})]
        about = say((known.__doc__ or "").strip())
        own = [input_name(name) for name in known.Params.model_fields]
        dates = ["starts_at", "ends_at"]
        return [
            (
                known.label,
                {
                    "fields": ["program", "code", "name", "description", "cost", *own, "is_active"],
                    "description": about,
                },
            ),
            (
                _("Limits"),
                {
                    "fields": [
                        *("stock_total", "per_customer", "per_day"),
                        *(["valid_days"] if known.makes_voucher else []),
                    ]
                },
            ),
            (_("When and for whom"), {"fields": [*dates, "tiers", "segments"]}),
            (_("In the list"), {"fields": ["image_url", "position"]}),
        ]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        programs = self.narrow(request, Program.objects.filter(is_active=True), "rewards.add_reward")
        return {"program": programs.values_list("pk", flat=True).first(), "is_active": True, "valid_days": 30}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        catalogue.keep(obj)
        if "stock_total" in form.changed_data and change:
            catalogue.restock(reward=obj, total=obj.stock_total)
