"""Journeys: the map, the funnel, attribution, and which touchpoints count as which stage."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from engagement import gallery
from engagement.models import Flow
from insights import journey_map, journey_picture, lead_ups, stages
from insights.admin.journey_forms import Filters, FunnelForm, StagesForm
from insights.journeys import Scope
from insights.models import JourneySnapshot, JourneyStages
from lib import money
from lib.admin import ConfigAdmin, within
from merchants.models import Merchant

MOST_DROP_OFFS = 10
ADD_FLOW = "engagement.add_flow"
MODELS = {
    "first": _("First touch"),
    "last": _("Last touch"),
    "linear": _("Linear"),
    "time_decay": _("Time decay"),
    "position": _("Position"),
    "markov": _("Markov"),
    "shapley": _("Shapley"),
}


@admin.register(JourneyStages)
class JourneyAdmin(ConfigAdmin):
    """The list is the map itself: a merchant has one row at most."""

    form = StagesForm
    menu, menu_order, icon = "insights", 30, "conversion_path"
    can_delete = False
    fieldsets = [(None, {"fields": ["merchant", *stages.NAMES]})]

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site.admin_view
        return [
            path("funnel/", site(self.funnel_view), name=self.page_name("funnel")),
            path("attribution/", site(self.attribution_view), name=self.page_name("attribution")),
            path("draft-flow/", site(self.draft_view), name=self.page_name("draft")),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: JourneyStages, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        JourneySnapshot.objects.filter(merchant=obj.merchant_id).delete()  # it was made with others

    # Pages ---------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        filters, scope = self._asked(request)
        document = journey_map.look(scope, days=filters.length)
        may_draft = request.user.has_perm(ADD_FLOW, scope.merchant)
        own = JourneyStages.objects.filter(merchant=scope.merchant).values_list("pk", flat=True).first()
        link = self.address("change", own) if own else self.address("add")
        return self._page(
            request,
            say("Customer journeys"),
            "map",
            filters,
            map=document,
            picture=journey_picture.draw(document, stages.NAMES) if document["people"] else None,
            best=_told(document["best_path"], scope.merchant),
            drop_offs=self._drop_offs(document, scope.merchant) if document["people"] else [],
            as_of=parse_datetime(document["as_of"]),
            paths=[
                {**way, "stages": [stages.NAMES[stage] for stage in way["stages"]]}
                for way in document["paths"]
            ],
            may_draft=may_draft,
            draft=self.address("draft"),
            stages_link=link if self.has_change_permission(request) else "",
        )

    def funnel_view(self, request: HttpRequest) -> HttpResponse:
        """Count people step by step."""
        filters, scope = self._asked(request)
        mapped = [kind for kinds in stages.of(scope.merchant).values() for kind in kinds]
        document = journey_map.look(scope, days=filters.length)
        kinds = [*mapped, *(one["kind"] for one in document["unmapped"])]
        form = FunnelForm(request.GET if "step1" in request.GET else None, kinds=list(dict.fromkeys(kinds)))
        reached = None
        if form.is_valid():
            found = journey_map.funnel(scope, form.steps, within=form.window, days=filters.length)
            reached = [{**one, "median": _duration(one["median_seconds"])} for one in found]
        return self._page(request, say("Funnel"), "funnel", filters, form=form, reached=reached)

    def attribution_view(self, request: HttpRequest) -> HttpResponse:
        """Share conversions out among channels, by every model side by side."""
        filters, scope = self._asked(request)
        rows = lead_ups.credit(scope, days=filters.length)
        shown = [{"channel": row["channel"], "credits": [row[model] for model in MODELS]} for row in rows]
        return self._page(
            request, say("Attribution"), "attribution", filters, rows=shown, models=MODELS.values()
        )

    def draft_view(self, request: HttpRequest) -> HttpResponse:
        """Give the merchant the ready-made flow for a drop-off, switched off, and open it."""
        if request.method != "POST":
            raise Http404
        merchant = within(Merchant.objects.all(), self._own(request, "view")).filter(
            pk=_number(request.POST.get("merchant"))
        )
        owner = merchant.first()
        slug = request.POST.get("flow", "")
        if owner is None or slug not in journey_map.FLOWS.values():
            raise Http404
        if not request.user.has_perm(ADD_FLOW, owner):
            raise PermissionDenied
        by = request.user.get_username()
        self.attempt(
            request,
            lambda: gallery.copy(merchant=owner, slug=slug, at=timezone.now(), by=by),
            _("The flow is here as a draft: nothing is sent until you switch it on."),
        )
        flow = Flow.objects.filter(merchant=owner, slug=slug).first()
        return redirect(
            reverse("admin:engagement_flow_change", args=[flow.pk]) if flow else self.address("changelist")
        )

    # What they share -----------------------------------------------------------------------------

    def _asked(self, request: HttpRequest) -> tuple[Filters, Scope]:
        if not self.has_view_permission(request):
            raise PermissionDenied
        owners = within(Merchant.objects.order_by("name"), self._own(request, "view"))
        filters = Filters(request.GET, merchants=owners)
        if filters.merchant is None:
            raise PermissionDenied
        since, until = journey_map.window(at=timezone.now(), days=filters.length)
        segment = filters.chosen
        return filters, Scope(filters.merchant, since, until, None if segment is None else segment.pk)

    def _page(
        self, request: HttpRequest, title: str, name: str, filters: Filters, **more: Any
    ) -> HttpResponse:
        kept = {key: _number(request.GET.get(key)) for key in ("merchant", "days", "segment")}
        asked = urlencode({key: value for key, value in kept.items() if value})
        tabs = [
            (label, f"{self.address(page)}?{asked}", page == here)
            for label, page, here in (
                (_("Map"), "changelist", {"map": "changelist"}.get(name, name)),
                (_("Funnel"), "funnel", name),
                (_("Attribution"), "attribution", name),
            )
        ]
        context = self.page(request, title, filters=filters, tabs=tabs, merchant=filters.merchant, **more)
        return TemplateResponse(request, f"admin/insights/journey/{name}.html", context)

    def _drop_offs(self, document: Mapping[str, Any], merchant: Merchant) -> list[dict[str, Any]]:
        ready = gallery.ready_made()
        return [
            {
                **row,
                "name": stages.NAMES[row["stage"]],
                "percent": round(100 * row["share"]),
                "mean": money.show(row["mean_minor"], merchant.currency),
                "value": money.show(row["value_minor"], merchant.currency),
                "flow_name": ready[row["flow"]].name if row["flow"] in ready else "",
            }
            for row in document["drop_offs"][:MOST_DROP_OFFS]
        ]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change", obj)


def _told(best: Mapping[str, Any] | None, merchant: Merchant) -> str:
    """Return the best path in a sentence."""
    if best is None:
        return ""
    steps = " → ".join(
        say("%(stage)s (%(channel)s)") % {"stage": stages.NAMES[one["stage"]], "channel": one["channel"]}
        for one in best["steps"]
    )
    if not best["revenue_minor"]:
        return say("Most people went %(steps)s: %(people)s of them.") % {
            "steps": steps, "people": f"{best['people']:,}",
        }  # fmt: skip
    return say("The way that brought the most is %(steps)s: %(people)s people, who spent %(money)s.") % {
        "steps": steps,
        "people": f"{best['people']:,}",
        "money": money.show(best["revenue_minor"], merchant.currency),
    }


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if seconds < 3600:
        return say("%(count)s min") % {"count": max(1, round(seconds / 60)) if seconds else 0}
    if seconds < 2 * 86_400:
        return say("%(count)s h") % {"count": round(seconds / 3600)}
    return say("%(count)s days") % {"count": round(seconds / 86_400)}


def _number(said: str | None) -> int:
    return int(said) if said and said.isascii() and said.isdecimal() and len(said) < 19 else 0
