"""Periodic work: what ran last, what waits, and whether that is well."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from config import periodic
from config.models import PeriodicHour, PeriodicTask
from config.periodic import Work
from lib.admin import FactAdmin, merchants_where

LOOKS = {"ok": "", "running": "", "waiting": "l-off", "late": "l-bad", "failed": "l-bad"}
HOURS = 48
WORDS = {
    "ok": _("Well"),
    "running": _("Running"),
    "waiting": _("Not yet"),
    "late": _("Late"),
    "failed": _("Failed"),
}


def lasts(length: timedelta | None) -> str:
    """Return a length of time in its largest unit, rounded down."""
    if length is None:
        return "–"
    seconds = int(length.total_seconds())
    if seconds >= 86400:
        return ngettext("%(n)s day", "%(n)s days", seconds // 86400) % {"n": seconds // 86400}
    if seconds >= 3600:
        return say("%(n)s h") % {"n": seconds // 3600}
    if seconds >= 60:
        return say("%(n)s min") % {"n": seconds // 60}
    return say("%(n)s s") % {"n": seconds}


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(FactAdmin):
    merchant_path = None
    menu, menu_order, icon = "operations", 20, "schedule"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        ids = merchants_where(request.user, "config.view_periodictask")
        lines = [self._line(one, request) for one in periodic.work(at=at, merchants=ids)]
        context = self.page(
            request,
            _("Periodic work"),
            lines=lines,
            bad=sum(line["is_bad"] for line in lines),
            is_everybodys=ids is None,
        )
        return TemplateResponse(request, "admin/config/periodic.html", context)

    def _line(self, one: Work, request: HttpRequest) -> dict[str, Any]:
        last = one.last
        return {
            "name": one.name,
            "link": self.address("change", one.task) if last else "",
            "state": WORDS[one.state],
            "look": LOOKS[one.state],
            "said": one.said,
            "is_bad": one.is_bad,
            "every": lasts(one.interval),
            "ran_at": last.finished_at if last else None,
            "seconds": last.seconds if last else None,
            "done": last.done if last else None,
            "worked_at": last.worked_at if last else None,
            "lag": lasts(one.lag),
            # A complaint may repeat what another merchant's row says.
            "error": last.error if last and one.state == "failed" and request.user.is_superuser else "",
        }

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = PeriodicTask.objects.filter(pk=object_id).first()
        if row is None:
            raise Http404
        since = timezone.now() - timedelta(hours=HOURS)
        hours = PeriodicHour.objects.filter(task=row.task, hour__gte=since).order_by("-hour")
        is_super = request.user.is_superuser
        context = self.page(
            request, row.task, row=row, original=row, hours=hours, most=HOURS, shows_error=is_super
        )
        return TemplateResponse(request, "admin/config/task.html", context)
