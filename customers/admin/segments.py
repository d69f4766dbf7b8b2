"""Segments: a rule is put together from conditions, counted while it is written, and kept up to date."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers import segments
from customers.admin.segment_form import Builder
from customers.models import Segment, SegmentMember
from lib import db
from lib.admin import ConfigAdmin, Door, link_to, within
from lib.errors import DomainError
from merchants.models import Merchant

MOST_SHOWN = 100


@admin.register(Segment)
class SegmentAdmin(ConfigAdmin):
    menu, menu_order, icon = "customers", 30, "groups"
    list_display = ["shown_name", "code", "is_persona", "members", "refreshed_at", "is_active"]
    list_display_links = ["shown_name"]
    list_filter = ["is_persona", "is_active"]
    search_fields = ["name", "code"]
    can_delete = False
    doors = [Door("members", "members_page", "view", label=_("Who is in it"))]

    @admin.display(description=_("Name"), ordering="name")
    def shown_name(self, segment: Segment) -> str:
        return str(segment)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._page(request, Segment(rule={"all": []}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        segment = self.get_object(request, object_id)
        if segment is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        if not self.has_view_permission(request, segment):
            raise PermissionDenied
        return self._page(request, segment)

    def _page(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        is_new = segment._state.adding
        may_save = is_new or self.has_change_permission(request, segment)
        if request.method == "POST" and not may_save:
            raise PermissionDenied
        data = request.POST if request.method == "POST" else None
        own = within(Merchant.objects.order_by("name"), self._own(request, "add" if is_new else "view"))
        builder = Builder(data, segment, own)
        if data is not None and "save" in data and self._save(request, builder):
            return redirect(self.address("change", segment.pk))
        preview = self._preview(builder)
        if data is not None and "save" not in data:
            builder.forgive()
        context = self.page(
            request,
            _("New segment") if is_new else segment,
            builder=builder,
            segment=segment,
            is_new=is_new,
            may_save=may_save,
            preview=preview,
            buttons=[] if is_new else self.buttons(request, segment),
            history=None if is_new else self.address("history", segment.pk),
        )
        return TemplateResponse(request, "admin/customers/segment/form.html", context)

    def _save(self, request: HttpRequest, builder: Builder) -> bool:
        rule, form = builder.rule, builder.form
        if rule is None or not form.is_valid():
            return False
        at = timezone.now()
        try:
            db.command(segments.save)(segment=form.save(commit=False), rule=rule, at=at, by=str(request.user))
        except DomainError as refusal:
            form.add_error(None if not refusal.faults else "code", str(refusal))
            return False
        self.message_user(request, _("Saved. The segment is counted within a minute."), messages.SUCCESS)
        return True

    def _preview(self, builder: Builder) -> dict[str, Any] | None:
        rule, merchant = builder.rule, builder.merchant
        if merchant is None or rule is None:
            return None
        seen = segments.preview(merchant=merchant, rule=rule, at=timezone.now())
        return {"count": seen.count, "examples": [link_to(one) for one in seen.examples]}

    def members_page(self, request: HttpRequest, segment: Segment) -> HttpResponseBase:
        """Show who came last."""
        rows = SegmentMember.objects.filter(merchant=segment.merchant_id, segment=segment)
        newest = rows.select_related("customer").order_by("-entered_at", "-customer_id")[:MOST_SHOWN]
        people = [(link_to(row.customer), row.entered_at) for row in newest]
        context = self.page(
            request,
            segment,
            segment=segment,
            people=people,
            most=MOST_SHOWN,
            back=self.address("change", segment.pk),
        )
        return TemplateResponse(request, "admin/customers/segment/members.html", context)
