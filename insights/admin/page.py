"""What the reports in the admin share: whose they are, as of when, made anew, and told as CSV or JSON."""

import csv
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone, translation
from django.utils.translation import gettext as say

from insights import snapshots
from insights.models import MerchantInsight
from lib import money
from lib.admin import FactAdmin, merchants_where, permission, within
from lib.wake import wake
from merchants.models import Merchant

STEPS = {
    "": lambda: say("Waiting for its turn"),
    "lapse": lambda: say("Finding the lapse window"),
    "read": lambda: say("Reading purchase days"),
    "fit": lambda: say("Fitting the forecast"),
    "score": lambda: say("Scoring customers"),
    "write": lambda: say("Writing scores"),
    "retention": lambda: say("Counting retention"),
    "failed": lambda: say("The last refresh failed; the figures are those before it"),
}


class ReportAdmin(FactAdmin):
    """A report instead of a list: of one merchant of the reader's, the first or the one that `?merchant=` names."""

    menu = "insights"
    report_template = ""

    def told(self, request: HttpRequest, merchant: Merchant) -> dict[str, Any] | None:
        """Return what the template shows; None before the first refresh."""
        raise NotImplementedError

    def table(self, request: HttpRequest, merchant: Merchant) -> list[dict[str, Any]]:
        """Return the rows of the table that is downloaded."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        refresh = path("refresh/", self.admin_site.admin_view(self.refresh), name=self.page_name("refresh"))
        return [refresh, *super().get_urls()]

    def owners(self, request: HttpRequest) -> list[Merchant]:
        ids = merchants_where(request.user, permission(self.model, "view"))
        return list(within(Merchant.objects.filter(is_active=True).order_by("name"), ids)[:200])

    def owner(self, request: HttpRequest, owners: list[Merchant]) -> Merchant | None:
        wanted = request.GET.get("merchant") or request.POST.get("merchant")
        return next(
            (one for one in owners if wanted in (one.slug, str(one.pk))), owners[0] if owners else None
        )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        owners = self.owners(request)
        merchant = self.owner(request, owners)
        wanted = request.GET.get("format", "")
        if merchant is not None and wanted in ("csv", "json"):
            return self._download(request, merchant, wanted)
        told = self.told(request, merchant) if merchant else None
        context = self.page(
            request,
            self.opts.verbose_name_plural,
            owners=owners if len(owners) > 1 else [],
            merchant=merchant,
            report=told,
            state=self._state(merchant) if merchant else None,
            refresh=self.address("refresh"),
            query=self._query(request, merchant),
            **(extra_context or {}),
        )
        return TemplateResponse(request, self.report_template, context)

    def _query(self, request: HttpRequest, merchant: Merchant | None) -> str:
        kept = request.GET.copy()
        kept.pop("format", None)
        if merchant is not None:
            kept["merchant"] = merchant.slug
        return kept.urlencode()

    def _state(self, merchant: Merchant) -> dict[str, Any]:
        insight = MerchantInsight.objects.filter(merchant=merchant).first()
        if insight is None:
            return {"is_running": False, "step": "", "percent": 0}
        done = insight.finished_at
        is_waiting = insight.wanted_at is not None and (done is None or insight.wanted_at > done)
        is_running = insight.started_at is not None or is_waiting
        has_failed = insight.step == "failed"
        step = STEPS.get(insight.step, STEPS[""])() if is_running or has_failed else ""
        return {"is_running": is_running, "has_failed": has_failed, "step": step, "percent": insight.percent}

    def refresh(self, request: HttpRequest) -> HttpResponse:
        """Ask for the reports to be made anew."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        merchant = self.owner(request, self.owners(request))
        if merchant is not None:
            snapshots.ask(merchant=merchant, at=timezone.now())
            wake("insights.tasks.refresh")
        return redirect(f"{self.address('changelist')}?{request.POST.get('query', '')[:500]}")

    def _download(self, request: HttpRequest, merchant: Merchant, wanted: str) -> HttpResponse:
        rows = self.table(request, merchant)
        name = f"{merchant.slug}-{self.opts.model_name}.{wanted}"
        if wanted == "json":
            answer: HttpResponse = JsonResponse(rows, safe=False)
        else:
            answer = HttpResponse(content_type="text/csv; charset=utf-8")
            if rows:
                writer = csv.DictWriter(answer, list(rows[0]))
                writer.writeheader()
                writer.writerows({key: as_text(value) for key, value in row.items()} for row in rows)
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def as_text(value: Any) -> Any:
    """Return a value for a spreadsheet: a text that it would take for a formula is told as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def shown(minor: int | None, currency: str) -> str:
    return "–" if minor is None else money.show(minor, currency, translation.get_language() or "en")


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{share * 100:.{digits}f} %".replace("-", "−")


def choices(names: Mapping[str, Any], chosen: str) -> Iterable[dict[str, Any]]:
    return [{"name": name, "label": label, "is_chosen": name == chosen} for name, label in names.items()]
