"""Endpoints that hear what happens, and the log of what they were sent."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from connectors import endpoints, outbox
from connectors.models import WebhookDelivery, WebhookEndpoint
from lib.admin import ConfigAdmin, Door, FactAdmin, Ids, OneMerchantForm, within
from lib.errors import DomainError
from lib.start_page import Alert, part


class EndpointForm(OneMerchantForm):
    """The secret is not in the form: it is made here, shown once, and rotated on a page of its own."""

    wanted = forms.CharField(
        label=_("Events"),
        initial="*",
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("One a line: a kind of event, a group like points.*, or * for all."),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["merchant", "url", "description", "wanted", "filters", "mapping", "is_on"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "wanted" not in self.fields:
            return
        if self.instance.kinds:
            self.initial["wanted"] = "\n".join(self.instance.kinds)
        for name, text in (
            ("filters", _('Only events with these values, like {"points": {"min": 10}}. Empty: all.')),
            ("mapping", _('Only these fields, renamed, like {"mail": "customer.email"}. Empty: all.')),
        ):
            self.fields[name].required, self.fields[name].help_text = False, text

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if "url" not in self.fields:
            return said
        said["filters"], said["mapping"] = said.get("filters") or {}, said.get("mapping") or {}
        wished = WebhookEndpoint(
            url=said.get("url", ""),
            kinds=said.get("wanted", "").replace(",", " ").split(),
            filters=said["filters"],
            mapping=said["mapping"],
        )
        try:
            endpoints.check(wished)
        except DomainError as refusal:
            name = refusal.faults[0].pointer.split("/")[1].replace("kinds", "wanted")
            self.add_error(name if name in self.fields else None, ValidationError(str(refusal)))
        self.instance.kinds = wished.kinds
        return said


class RotateForm(forms.Form):
    overlap_hours = forms.IntegerField(
        label=_("Hours"),
        min_value=0,
        max_value=720,
        initial=72,
        help_text=_("So long messages are signed by both secrets, the old and the new one."),
    )


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ConfigAdmin):
    form = EndpointForm
    menu, menu_order, icon = "operations", 30, "outgoing_mail"
    list_display = ["__str__", "url", "is_on", "state", "merchant"]
    list_select_related = ["merchant"]
    list_filter = ["is_on", "disabled_reason"]
    search_fields = ["url", "description"]
    fieldsets = [
        (None, {"fields": ["merchant", "url", "description", "is_on", "state"]}),
        (_("What it hears"), {"fields": ["wanted", "filters", "mapping"]}),
    ]
    readonly_fields = ["state"]
    change_form_before_template = "admin/rewards/actions.html"
    doors = [
        Door("test", "test_view", "change", _("Send a test"), fits=lambda endpoint: endpoint.is_on),
        Door("rotate", "rotate_view", "change", _("Make a new secret")),
    ]

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        row = self.get_object(request, object_id) if object_id else None
        more = {"buttons": self.buttons(request, row) if row else []}
        return super().changeform_view(request, object_id, form_url, {**more, **(extra_context or {})})

    @admin.display(description=_("State"))
    def state(self, endpoint: WebhookEndpoint) -> Any:
        if endpoint.disabled_at is not None:
            return say("Off since %(time)s: %(reason)s.") % {
                "time": _time(endpoint.disabled_at),
                "reason": endpoint.get_disabled_reason_display(),
            }
        if endpoint.failing_since is not None:
            return say("Fails since %(time)s. After three days it is switched off.") % {
                "time": _time(endpoint.failing_since)
            }
        return say("Works") if endpoint.is_on else say("Off")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        now, secret = timezone.now(), ""
        if change:
            wanted_on = obj.is_on
            obj.is_on = form.initial.get("is_on", obj.is_on)
            endpoints.switch(obj, is_on=wanted_on, at=now)
        else:
            obj.created_at, secret = now, endpoints.new_secret()
            if not obj.is_on:
                obj.disabled_at, obj.disabled_reason = now, "staff"
        endpoints.keep(endpoint=obj, secret=secret, at=now)
        obj.shown_once = secret

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        WebhookDelivery.objects.filter(endpoint=obj.pk)._raw_delete("default")
        super().delete_model(request, obj)
        endpoints.WISHES.changed()

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for endpoint in queryset:
            self.delete_model(request, endpoint)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Its log may have a million rows: said in a word, not listed.
        return [str(one) for one in objs], {str(self.opts.verbose_name_plural): len(objs)}, set(), []

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return self._show_secret(request, obj, obj.shown_once)

    def rotate_view(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        form = RotateForm(request.POST or None)
        if form.is_valid():
            overlap = timedelta(hours=form.cleaned_data["overlap_hours"])
            secret = endpoints.rotate(endpoint=endpoint, at=timezone.now(), overlap=overlap)
            return self._show_secret(request, endpoint, secret)
        return self.form_page(
            request,
            form,
            title=say("New secret: %(endpoint)s") % {"endpoint": endpoint},
            button=_("Make a new secret"),
            back=self.address("change", endpoint.pk),
            original=endpoint,
        )

    def test_view(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        if request.method == "POST":
            done = _("A test was queued. The log shows in a moment what became of it.")
            self.attempt(request, lambda: outbox.test(endpoint=endpoint, at=timezone.now()), done)
            return self.back_to(endpoint)
        return self.form_page(
            request,
            forms.Form(),
            title=say("Send a test: %(endpoint)s") % {"endpoint": endpoint},
            button=_("Send a test"),
            back=self.address("change", endpoint.pk),
            original=endpoint,
        )

    def _show_secret(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
        # Shown in this answer and kept nowhere: not in a session, not in a cache.
        page = TemplateResponse(
            request,
            "admin/connectors/webhookendpoint/secret.html",
            self.page(
                request,
                _("Its secret"),
                secret=secret,
                url=endpoint.url,
                back=self.address("change", endpoint.pk),
            ),
        )
        page.headers["Cache-Control"] = "no-store"
        return page


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(FactAdmin):
    """The log of what was sent. What was given up is sent again once its reason is gone."""

    menu, menu_order, icon = "operations", 40, "outbox"
    list_display = ["kind", "state", "endpoint", "attempts", "last_status", "created_at", "next_at"]
    list_select_related = ["endpoint"]
    list_filter = ["state", "endpoint"]
    actions = ["send_again"]
    fieldsets = [
        (None, {"fields": ["kind", "event", "endpoint", "state", "attempts", "next_at", "last_status"]}),
        (_("Attempts"), {"fields": ["tries", "excerpt"]}),
        (_("As it is sent"), {"fields": ["content"]}),
        (_("Times"), {"fields": ["created_at", "delivered_at"]}),
    ]
    readonly_fields = ["event", "tries", "content"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        is_list = bool(request.resolver_match and str(request.resolver_match.url_name).endswith("changelist"))
        return rows.defer("body", "log") if is_list else rows

    @admin.display(description=_("Event"))
    def event(self, delivery: WebhookDelivery) -> str:
        return delivery.event_id

    @admin.display(description=_("Attempts"))
    def tries(self, delivery: WebhookDelivery) -> Any:
        lines = (
            (one["at"][:19].replace("T", " "), one["status"] or "–", one["ms"], one["note"])
            for one in delivery.log
        )
        return format_html_join("", "<div>{} · {} · {} ms {}</div>", lines) or "–"

    @admin.display(description=_("Message"))
    def content(self, delivery: WebhookDelivery) -> Any:
        if not delivery.body:
            return _("Emptied.")
        text = json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False)
        return format_html('<pre class="l-secret">{}</pre>', text)

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("Send again"), permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        rows = self.narrow(request, queryset, "connectors.change_webhookdelivery")
        count = outbox.resend_all(deliveries=rows, at=timezone.now())
        self.message_user(
            request,
            ngettext("%(count)s is due again.", "%(count)s are due again.", count) % {"count": count}
            + " "
            + say(
                "What was emptied, is on its way, or belongs to an endpoint that is off, is left as it is."
            ),
            messages.SUCCESS if count else messages.WARNING,
        )


def _time(moment: Any) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"


@part("alerts", permission="connectors.view_webhookendpoint", order=35)
def switched_off(ids: Ids) -> Iterable[Alert]:
    """Endpoints that were switched off by themselves, on the start page."""
    off = WebhookEndpoint.objects.filter(is_on=False, disabled_reason__in=["failing", "gone"])
    if count := within(off, ids).count():
        link = reverse("admin:connectors_webhookendpoint_changelist")
        yield Alert(say("Webhook endpoints were switched off"), f"{count:,}", f"{link}?is_on__exact=0")
