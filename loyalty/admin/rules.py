"""Earning rules: first the kind is chosen, then its own settings are asked."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from lib import money
from loyalty.admin import rule_form
from loyalty.admin.kinds import KindAdmin
from loyalty.admin.program import put_in_force
from loyalty.earning import RULES
from loyalty.models import EarningRule, Program


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
class EarningRuleAdmin(KindAdmin):
    kinds, form_of_kind = RULES, rule_form.RuleForm
    question, names_kinds = _("How do customers earn points?"), _("Kinds of earning rules")
    merchant_from = "program"
    menu, menu_order, icon = "program", 20, "add_circle"
    list_display = ["code", "shown_kind", "gives", "is_active", "program"]
    list_select_related = ["program__merchant"]
    list_filter = ["program", "is_active"]
    search_fields = ["code", "kind"]
    change_form_before_template = "admin/rewards/actions.html"

    @admin.display(description=_("Kind"), ordering="kind")
    def shown_kind(self, rule: EarningRule) -> str:
        known = self.plugin(rule.kind)
        return say(known.label) if known else rule.kind

    @admin.display(description=_("Gives"))
    def gives(self, rule: EarningRule) -> str:
        return summary(rule)

    def offered(self) -> Iterable[tuple[str, Any]]:
        return sorted(self.kinds.load().items(), key=lambda item: (item[1].role != "base", item[0]))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        known = self.plugin(self.kind(request, obj))
        if not known:
            return [(None, {"fields": ["program", "code", "kind", "params", "is_active"]})]
        about = say((known.__doc__ or "").strip())
        own = {"fields": ["program", "code", "is_active"], "description": about}
        return [(say(known.label), own), *rule_form.fieldsets(known.Params, obj.params if obj else {})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        programs = self.narrow(request, Program.objects.filter(is_active=True), "loyalty.add_earningrule")
        kind = self.kind(request, None)
        taken = set(
            EarningRule.objects.filter(program__in=programs, code__startswith=kind).values_list(
                "code", flat=True
            )
        )
        code = next(name for name in (kind, *(f"{kind}_{n}" for n in range(2, 1000))) if name not in taken)
        return {"program": programs.values_list("pk", flat=True).first(), "code": code, "is_active": True}

    def after_save(self, request: HttpRequest, rows: Any) -> None:
        put_in_force(self, request, {rule.program for rule in rows})
