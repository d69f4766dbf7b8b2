"""Rehearsals: a draft of the program is tried out on the past, from where it is edited; the answer is read."""

import csv
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from insights import rehearsal, rehearsal_words
from insights.models import RehearsalRun
from lib import public_ids
from lib.admin import Door, FactAdmin
from lib.errors import DomainError
from loyalty import drafts, program_file
from loyalty.admin.program import ProgramAdmin
from loyalty.admin.rules import EarningRuleAdmin
from loyalty.admin.tiers import TierSetAdmin
from loyalty.drafts import Draft
from loyalty.models import EarningRule, Program, TierSet

MAY_START = "insights.add_rehearsalrun"
MOST_TEXT = 200_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _months() -> forms.IntegerField:
    return forms.IntegerField(
        min_value=1,
        max_value=rehearsal.MOST_MONTHS,
        initial=12,
        label=_("Months"),
        help_text=_("So many months back from today."),
    )


class HowLong(forms.Form):
    months = _months()


class FileForm(forms.Form):
    """A whole draft: the program file of what is in force, to be changed here."""

    months = _months()
    text = forms.CharField(
        max_length=MOST_TEXT,
        label=_("Program file"),
        help_text=_("This is what is in force. Change what you like: nothing of it is published."),
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false"}),
    )


@admin.register(RehearsalRun)
class RehearsalRunAdmin(FactAdmin):
    menu, menu_order, icon = "program", 40, "experiment"
    can_add = True
    list_display = ["name", "status", "months", "outcome", "by", "as_of"]
    list_filter = ["status", "program"]
    search_fields = ["name"]
    doors = [
        Door("cancel", "cancel_view", "add"),
        Door("csv", "csv_view", "view"),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("draft")

    @admin.display(description=_("Points"))
    def outcome(self, run: RehearsalRun) -> str:
        if not run.figures:
            return "–"
        return rehearsal_words.change(run.figures["points"]["old"], run.figures["points"]["new"])

    # Starting ---------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Rehearse a whole draft, written as a program file."""
        program = self._program(request)
        if program is None or not request.user.has_perm(MAY_START, program):
            raise PermissionDenied
        now = program_file.export(merchant=program.merchant.slug, program=program.name)
        form = FileForm(request.POST or None, initial={"text": now})
        if request.method == "POST" and form.is_valid():
            text = form.cleaned_data["text"]
            started = order(
                request,
                form,
                program,
                lambda: drafts.of_file(text=text, program=program),
                say("Draft of %(program)s") % {"program": program.name},
            )
            if started is not None:
                return self.back_to(started)
        return self.form_page(
            request,
            form,
            title=_("Rehearse a draft of the program"),
            button=_("Rehearse"),
            back=self.address("changelist"),
            lead=LEAD,
        )

    def _program(self, request: HttpRequest) -> Program | None:
        own = self.narrow(request, Program.objects.select_related("merchant"), MAY_START).filter(
            is_active=True
        )
        wanted = request.GET.get("program", "")
        if wanted:
            return own.filter(pk=wanted).first() if wanted.isdecimal() else None
        return own.order_by("pk").first()

    # Reading ----------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        if request.method != "GET" or not self.has_view_permission(request, run):
            raise PermissionDenied
        is_open = run.status in (RehearsalRun.Status.WAITING, RehearsalRun.Status.RUNNING)
        context = self.page(
            request,
            run,
            run=run,
            is_open=is_open,
            may_cancel=is_open and self.may(request, "add", run),
            percent=100 * run.members_done // run.members_total if run.members_total else 0,
            **(_shown(run) if run.figures else {}),
        )
        return TemplateResponse(request, "admin/insights/rehearsal.html", context)

    def cancel_view(self, request: HttpRequest, run: RehearsalRun) -> HttpResponse:
        if request.method != "POST":
            raise PermissionDenied
        self.attempt(request, lambda: rehearsal.cancel(run=run, at=timezone.now()), _("Cancelled."))
        return self.back_to(run)

    def csv_view(self, request: HttpRequest, run: RehearsalRun) -> HttpResponse:
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{run.public_id}.csv"'
        writer = csv.writer(answer)
        writer.writerow(["what", "name", "now", "draft"])
        for what, name, *both in _lines(run.figures or {}):
            # A name that begins like a formula is text to every spreadsheet.
            writer.writerow([what, f"'{name}" if name.startswith(FORMULA) else name, *both])
        return answer


LEAD = _(
    "The sales, refunds and redemptions of the last months are lived again under the draft. Nothing is "
    "written, and no customer notices."
)


def _shown(run: RehearsalRun) -> dict[str, Any]:
    """Return the figures as the page shows them."""
    figures: dict[str, Any] = run.figures or {}
    people = figures["customers"]
    named = [one["customer"] for name in ("most_gain", "most_lose") for one in people[name]]
    found = Customer.objects.filter(merchant=run.merchant_id).in_bulk(named)
    most = [
        (
            title,
            [{**one, "customer": found[one["customer"]]} for one in people[name] if one["customer"] in found],
        )
        for title, name in ((_("Gain most"), "most_gain"), (_("Lose most"), "most_lose"))
    ]
    quarters = (_("Least"), _("A quarter below"), _("Middle"), _("A quarter above"), _("Most"))
    return {
        "figures": figures,
        "sentences": rehearsal_words.sentences(figures),
        "months": [
            {**row, "costs": [rehearsal_words.amount(one, figures) for one in row["cost_minor"]]}
            for row in figures["months"]
        ],
        "charts": [_chart(figures, 0, _("Points each month, now")), _chart(figures, 1, _("With the draft"))],
        "costs": [rehearsal_words.amount(one, figures) for one in figures["cost_minor"]],
        "owed": [rehearsal_words.amount(one, figures) for one in figures["liability_minor"]],
        "most": most,
        "quarters": list(zip(quarters, people["quarters"], strict=False)),
        "matrix": _matrix(figures["tiers"]),
    }


def _chart(figures: dict[str, Any], place: int, title: Any) -> dict[str, Any]:
    highest = max((max(row["issued"]) for row in figures["months"]), default=0) or 1
    bars = [
        {
            "label": row["month"],
            "value": rehearsal_words.number(row["issued"][place]),
            "percent": 100 * row["issued"][place] // highest,
        }
        for row in figures["months"]
    ]
    return {"title": title, "bars": bars, "empty": _("Nothing was sold.")}


def _matrix(tiers: dict[str, Any]) -> dict[str, Any]:
    """Return the moves as a table: a row per tier of now, a column per tier of the draft."""
    counts = {(move["from"], move["to"]): move["customers"] for move in tiers["moves"]}
    columns = [*tiers["new"], *sorted({to for _, to in counts} - set(tiers["new"]))]
    rows = [*tiers["old"], *sorted({old for old, _ in counts} - set(tiers["old"]))]
    return {
        "columns": columns,
        "rows": [
            {
                "name": old,
                "cells": [{"count": counts.get((old, new), 0), "is_same": old == new} for new in columns],
            }
            for old in rows
        ],
    }


def _lines(figures: dict[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the lines of the CSV: what, its name, the figure now and with the draft."""
    if not figures:
        return
    yield "points", "", figures["points"]["old"], figures["points"]["new"]
    for what in ("cost_minor", "liability_minor", "outstanding", "debt", "short"):
        yield what, "", *figures[what]
    for rule in figures["rules"]:
        yield "rule_points", rule["rule"], *rule["points"]
    for row in figures["months"]:
        for what in ("issued", "taken_back", "spent", "expired", "other", "cost_minor"):
            yield f"month_{what}", row["month"], *row[what]
    for move in figures["tiers"]["moves"]:
        yield "tier_customers", f"{move['from']} > {move['to']}", move["customers"], move["customers"]
    for what in ("most_gain", "most_lose"):
        for one in figures["customers"][what]:
            yield what, public_ids.show("cus", one["customer"]), one["old"], one["new"]


# --- doors beside what is edited --------------------------------------------------------------------------


def order(
    request: HttpRequest, form: forms.Form, program: Program, draft: Callable[[], Draft], name: str
) -> RehearsalRun | None:
    """Ask for a rehearsal; what refuses it is said on the form."""
    try:
        return rehearsal.order(
            program=program,
            draft=draft(),
            name=name,
            months=form.cleaned_data["months"],
            at=timezone.now(),
            by=request.user.get_username(),
        )
    except DomainError as refusal:
        form.add_error(None, str(refusal))
        return None


def _ask(
    page: Any, request: HttpRequest, row: Any, draft: Callable[[], Draft], *, title: Any, name: str
) -> HttpResponseBase:
    form = HowLong(request.POST or None)
    if request.method == "POST" and form.is_valid():
        run = order(request, form, row.program, draft, name)
        if run is not None:
            return redirect(reverse("admin:insights_rehearsalrun_change", args=[run.pk]))
    back = page.address("change", row.pk)
    answer: HttpResponse = page.form_page(
        request, form, title=title, button=_("Rehearse"), back=back, lead=LEAD
    )
    return answer


def rehearse_tiers(page: Any, request: HttpRequest, tier_set: TierSet) -> HttpResponseBase:
    names = " → ".join(tier_set.tiers.order_by("at").values_list("name", flat=True))
    return _ask(
        page,
        request,
        tier_set,
        lambda: drafts.with_tiers(tier_set),
        title=_("Rehearse these tiers"),
        name=say("Tiers %(names)s") % {"names": names},
    )


def rehearse_rule(page: Any, request: HttpRequest, rule: EarningRule) -> HttpResponseBase:
    named = {"rule": rule.code}
    return _ask(
        page,
        request,
        rule,
        lambda: drafts.with_rule(rule),
        title=_("Rehearse without this rule") if rule.is_active else _("Rehearse with this rule"),
        name=(say("Without the rule %(rule)s") if rule.is_active else say("With the rule %(rule)s")) % named,
    )


def rehearse_program(page: Any, request: HttpRequest, program: Program) -> HttpResponseBase:
    return redirect(f"{reverse('admin:insights_rehearsalrun_add')}?program={program.pk}")


TierSetAdmin.doors = [
    *TierSetAdmin.doors,
    Door(
        "rehearse",
        rehearse_tiers,
        MAY_START,
        _("Rehearse these tiers"),
        fits=lambda tier_set: tier_set.status == TierSet.Status.DRAFT,
    ),
]
EarningRuleAdmin.doors = [
    *EarningRuleAdmin.doors,
    Door("rehearse", rehearse_rule, MAY_START, _("Rehearse this rule")),
]
ProgramAdmin.doors = [
    *ProgramAdmin.doors,
    Door("rehearse", rehearse_program, MAY_START, _("Rehearse a draft")),
]
