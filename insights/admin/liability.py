"""Points and liability: a period's roll-forward, what it is worth, and the journal lines, as a page and as files."""

from collections.abc import Iterator
from datetime import date
from typing import Any, TypeVar

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from insights import liability_facts, liability_report
from insights.admin.liability_page import Page
from insights.models import PointsReading
from insights.spreadsheet import csv_file
from lib.admin import FactAdmin, dress, merchants_where, permission, within
from lib.errors import DomainError
from loyalty.models import Program
from merchants.models import Merchant


class Period(forms.Form):
    """Whose points, and from when until when."""

    merchant = forms.ModelChoiceField(Merchant.objects.none(), label=_("Merchant"), empty_label=None)
    program = forms.ModelChoiceField(Program.objects.none(), label=_("Program"), empty_label=None)
    since = forms.DateField(
        label=_("From"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("Until"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, said: dict[str, Any], merchants: list[Merchant], programs: list[Program]) -> None:
        super().__init__(said)
        for name, rows in (("merchant", merchants), ("program", programs)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = type(rows[0])._default_manager.filter(pk__in=[one.pk for one in rows])
            if len(rows) == 1:
                field.widget = forms.HiddenInput()


@admin.register(PointsReading)
class LiabilityAdmin(FactAdmin):
    menu, menu_order, icon = "insights", 30, "account_balance"
    list_display = ["merchant", "read_at"]
    change_list_template = "admin/insights/liability.html"
    show_full_result_count = True  # else the theme counts results above the page
    ordering = ("merchant_id",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        said, request.GET = request.GET, QueryDict()  # the list below knows nothing of a period
        merchants = self._merchants(request)
        if not merchants:
            return super().changelist_view(request, {"report": None, "title": _("Points and liability")})
        merchant = _chosen(merchants, said.get("merchant"))
        programs = liability_report.programs_of(merchant)
        if not programs:
            return super().changelist_view(request, {"report": None, "title": _("Points and liability")})
        program = _chosen(programs, said.get("program") if said.get("merchant") == str(merchant.pk) else None)
        refusal = None
        try:
            report = self._report(merchant, program, said)
        except DomainError as error:
            refusal, report = error, self._report(merchant, program, {})
        if not refusal and said.get("format") in ("csv", "json"):
            return _file(report, said)
        form = Period(
            {"merchant": merchant.pk, "program": program.pk, "since": report.since, "until": report.until},
            merchants,
            programs,
        )
        context = {
            "title": _("Points and liability"),
            "page": Page(report),
            "form": dress(form),
            "refusal": refusal,
            "query": {**said.dict(), "merchant": merchant.pk, "program": program.pk},
            "report": report,
        }
        return super().changelist_view(request, context)

    def _merchants(self, request: HttpRequest) -> list[Merchant]:
        ids = merchants_where(request.user, permission(PointsReading, "view"))
        return list(within(Merchant.objects.filter(is_active=True), ids).order_by("name")[:200])

    @staticmethod
    def _report(merchant: Merchant, program: Program, said: Any) -> liability_report.Report:
        return liability_report.report(
            merchant=merchant,
            at=timezone.now(),
            since=_day(said.get("since")),
            until=_day(said.get("until")),
            program_id=program.pk,
        )


Owned = TypeVar("Owned", Merchant, Program)


def _chosen(rows: list[Owned], said: str | None) -> Owned:
    """Return the row of this number, by default the first; another merchant's is like a missing one."""
    found = rows[0] if said is None else next((one for one in rows if str(one.pk) == said), None)
    if found is None:
        raise Http404
    return found


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise liability_report.BadPeriod(str(_("This is not a day."))) from None


def _file(report: liability_report.Report, said: QueryDict) -> HttpResponse:
    facts = liability_facts.shown(report)
    name = f"{said.get('part', 'liability')}-{report.since}-{report.until}"
    if said["format"] == "json":
        answer: HttpResponse = JsonResponse(facts)
        answer.headers["Content-Disposition"] = (
            f'attachment; filename="liability-{report.since}-{report.until}.json"'
        )
        return answer
    rows = {"days": _days, "months": _months, "journal": _journal}.get(said.get("part", ""), _lines)
    return csv_file(name, rows(report, facts))


def _lines(report: liability_report.Report, facts: dict[str, Any]) -> Iterator[list[Any]]:
    yield ["line", "points", "pending"]
    yield ["opening", *facts["opening"].values()]
    yield from ([one["line"], one["points"], one["pending"]] for one in facts["lines"])
    yield ["closing", *facts["closing"].values()]


def _days(report: liability_report.Report, facts: dict[str, Any]) -> Iterator[list[Any]]:
    yield ["day", "line", "points", "pending"]
    for day, lines in report.forward.days.items():
        yield from ([day, line, amount.points, amount.pending] for line, amount in lines.items())


def _months(report: liability_report.Report, facts: dict[str, Any]) -> Iterator[list[Any]]:
    yield ["month", "issued", "redeemed", "expired", "outstanding", "to_be_redeemed"]
    yield from (list(one.values()) for one in facts["months"])


def _journal(report: liability_report.Report, facts: dict[str, Any]) -> Iterator[list[Any]]:
    yield ["method", "text", "debit", "credit", "amount_minor", "currency"]
    for method, lines in facts["journal"].items():
        yield from ([method, *line.values(), report.currency] for line in lines)
