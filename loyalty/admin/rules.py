"""Earning rules: first the kind is chosen, then its own settings are asked."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from lib import money
from lib.admin import ConfigAdmin
from loyalty.admin import rule_form
from loyalty.admin.program import put_in_force
from loyalty.earning import RULES, Rule
from loyalty.models import EarningRule, Program
from merchants.models import Merchant


def plugin(kind: str) -> Rule | None:
    """Return the plugin of a kind; None when its file is gone."""
    return RULES.load().get(kind)


def summary(rule: EarningRule) -> str:
    """Return what the rule gives, in a few words."""
    params, currency = rule.params, rule.program.merchant.currency
    words = []
    if factor := params.get("factor"):
        words.append(f"× {factor}")
    if points := params.get("points"):
        words.append(ngettext("%(points)s point", "%(points)s points", points) % {"points": points})
    for code, minor in (params.get("per_minor") or {}).items():
        words.append(say("per %(amount)s") % {"amount": money.show(minor, code)})
    if least := params.get("min_amount_minor"):
        words.append(say("from %(amount)s") % {"amount": money.show(least, currency)})
    for name in ("categories", "tiers", "stores", "channels"):
        words += params.get(name) or []
    words += [str(rule_form.WEEKDAYS[day]) for day in params.get("weekdays") or []]
    return " · ".join(words)


@admin.register(EarningRule)
class EarningRuleAdmin(ConfigAdmin):
    merchant_from = "program"
    menu, menu_order, icon = "program", 20, "add_circle"
    list_display = ["code", "shown_kind", "gives", "is_active", "program"]
    list_select_related = ["program__merchant"]
    list_filter = ["program", "is_active"]
    search_fields = ["code", "kind"]

    @admin.display(description=_("Kind"), ordering="kind")
    def shown_kind(self, rule: EarningRule) -> str:
        known = plugin(rule.kind)
        return say(known.label) if known else rule.kind

    @admin.display(description=_("Gives"))
    def gives(self, rule: EarningRule) -> str:
        return summary(rule)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or plugin(obj.kind) is not None)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if self._kind(request, None):
            return super().add_view(request, form_url, extra_context)
        kinds = [
            {"kind": kind, "label": say(rule.label), "about": say((rule.__doc__ or "").strip())}
            for kind, rule in sorted(RULES.load().items(), key=lambda item: (item[1].role != "base", item[0]))
        ]
        page = self.page(request, _("How do customers earn points?"), kinds=kinds)
        return TemplateResponse(request, "admin/loyalty/earningrule/kinds.html", page)

    def _kind(self, request: HttpRequest, rule: EarningRule | None) -> str:
        kind = rule.kind if rule else request.GET.get("kind", "")
        return kind if plugin(kind) else ""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kind = self._kind(request, obj)
        known = plugin(kind)
        if known:
            own = {
                "kind": kind,
                "model_of_params": known.Params,
                **rule_form.inputs(known.Params, currency=self._currency(request, obj)),
            }
            kwargs["form"] = type("Form", (rule_form.RuleForm,), own)
        form = super().get_form(request, obj, change=change, **kwargs)
        rule_form.dress_inputs(form)
        return form

    def _currency(self, request: HttpRequest, rule: EarningRule | None) -> str:
        if rule:
            return rule.program.merchant.currency
        ids = self._own(request, "add")
        own = Merchant.objects.all() if ids is None else Merchant.objects.filter(pk__in=ids)
        return own.values_list("currency", flat=True).first() or "EUR"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        known = plugin(self._kind(request, obj))
        if not known:
            return [(None, {"fields": ["program", "code", "kind", "params", "is_active"]})]
        about = say((known.__doc__ or "").strip())
        own = {"fields": ["program", "code", "is_active"], "description": about}
        return [(say(known.label), own), *rule_form.fieldsets(known.Params, obj.params if obj else {})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        programs = self.narrow(request, Program.objects.filter(is_active=True), "loyalty.add_earningrule")
        kind = self._kind(request, None)
        taken = set(
            EarningRule.objects.filter(program__in=programs, code__startswith=kind).values_list(
                "code", flat=True
            )
        )
        code = next(name for name in (kind, *(f"{kind}_{n}" for n in range(2, 1000))) if name not in taken)
        return {"program": programs.values_list("pk", flat=True).first(), "code": code, "is_active": True}

    def after_save(self, request: HttpRequest, rows: Any) -> None:
        put_in_force(self, request, {rule.program for rule in rows})
