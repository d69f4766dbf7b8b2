"""Connections are set up here; messages are read here, and those that failed are tried again."""

import json
from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from connectors import connections, inbox
from connectors.models import Connection, InboundEvent
from connectors.sources import SOURCES
from lib.admin import ConfigAdmin, FactAdmin, Ids, OneMerchantForm, within
from lib.errors import DomainError
from lib.start_page import Alert, part

MOST_SHOWN = 20_000
MOST_COUNTED = 1000


class ConnectionForm(OneMerchantForm):
    """The secret goes in and never comes out; leaving it empty keeps the one that is there."""

    kind = forms.ChoiceField(label=_("Kind"), choices=list)
    secret = forms.CharField(
        label=_("Signing secret"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "From the other machine, like whsec_… It is stored encrypted and never shown again. "
            "After a change the one before is accepted for three more days."
        ),
    )

    class Meta:
        model = Connection
        fields = ["merchant", "code", "kind", "enroll", "store", "options", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if "kind" in self.fields:
            kinds = [(kind, source.label) for kind, source in sorted(SOURCES.load().items())]
            self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        if "options" in self.fields:
            self.fields["options"].required = False
            self.fields["options"].help_text = _options_help()

    def clean_options(self) -> dict[str, Any]:
        said = self.cleaned_data.get("options") or {}
        if not isinstance(said, dict):
            raise ValidationError(_('Options are names and values in braces, like {"settle_seconds": 60}.'))
        return said

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        kind, secret = said.get("kind") or self.instance.kind, said.get("secret", "")
        if not secret and not self.instance.secret_sealed and "secret" in self.fields:
            self.add_error("secret", _("A connection needs its signing secret."))
        if kind and "options" in said:
            try:
                connections.check(kind=kind, options=said["options"], secret=secret)
            except DomainError as refusal:
                field = refusal.faults[0].pointer.split("/")[1] if refusal.faults else None
                self.add_error(field if field in self.fields else None, str(refusal))
        return said


def _options_help() -> str:
    """Return what may be said, taken from the sources themselves."""
    parts = [
        f"{source.label}: {name} – {option.description}"
        for _kind, source in sorted(SOURCES.load().items())
        for name, option in source.Options.model_fields.items()
    ]
    return " ".join(parts)


@admin.register(Connection)
class ConnectionAdmin(ConfigAdmin):
    """A connection that has sent something is switched off, not deleted: its messages stay known."""

    form = ConnectionForm
    menu, menu_order, icon = "operations", 20, "webhook"
    list_display = ["code", "kind", "hook", "enroll", "is_active", "merchant"]
    list_select_related = ["merchant"]
    list_filter = ["is_active"]
    search_fields = ["code"]
    can_delete = False
    fieldsets = [
        (None, {"fields": ["merchant", "code", "kind", "hook", "is_active"]}),
        (_("Secret"), {"fields": ["secret", "state"]}),
        (_("What its messages do"), {"fields": ["enroll", "store", "options"]}),
    ]
    readonly_fields = ["hook", "state"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        # References are unique within a connection, and its address is set at the other machine.
        return (*fixed, "code", "kind") if obj else fixed

    @admin.display(description=_("Address for the other machine"))
    def hook(self, connection: Connection) -> str:
        if connection.pk is None or not connection.code:
            return "–"
        return f"{settings.BASE_URL}{connection.hook_path}"

    @admin.display(description=_("State"))
    def state(self, connection: Connection) -> Any:
        if not connection.secret_sealed:
            return _("No secret yet.")
        if connection.previous_until and connection.previous_until > timezone.now():
            return _("Set. The one before is accepted until %(time)s (UTC).") % {
                "time": f"{connection.previous_until:%Y-%m-%d %H:%M}"
            }
        return _("Set.")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        connections.keep(connection=obj, secret=form.cleaned_data.get("secret", ""), at=timezone.now())


@admin.register(InboundEvent)
class InboundEventAdmin(FactAdmin):
    """The inbox. A message that failed or needs attention is tried again once its reason is gone."""

    menu, menu_order, icon = "operations", 10, "inbox"
    list_display = ["type", "status", "shown_error", "connection", "tries", "received_at", "event_id"]
    list_select_related = ["connection"]
    list_filter = ["status", "connection"]
    search_fields = ["=event_id"]
    search_help_text = _("The whole id that the sender gave the message.")
    actions = ["try_again"]
    fieldsets = [
        (None, {"fields": ["type", "event_id", "connection", "status", "error", "tries", "due_at"]}),
        (_("Times"), {"fields": ["occurred_at", "received_at", "done_at"]}),
        (_("As it came"), {"fields": ["content"]}),
    ]
    readonly_fields = ["content"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        is_list = bool(request.resolver_match and str(request.resolver_match.url_name).endswith("changelist"))
        return rows.defer("body") if is_list else rows

    @admin.display(description=_("Reason"))
    def shown_error(self, event: InboundEvent) -> str:
        return event.error if len(event.error) <= 120 else f"{event.error[:119]}…"

    @admin.display(description=_("Message"))
    def content(self, event: InboundEvent) -> Any:
        if not event.body:
            return _("Emptied.")
        try:
            text = json.dumps(json.loads(event.body), indent=2, ensure_ascii=False)
        except ValueError:
            text = event.body
        return format_html('<pre class="l-secret">{}</pre>', text[:MOST_SHOWN])

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("Try again"), permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: Any) -> None:
        rows = self.narrow(request, queryset, "connectors.change_inboundevent")
        count = inbox.try_again(events=rows, at=timezone.now())
        self.message_user(
            request,
            _("%(count)s messages are due again. Those that are done stay done.") % {"count": count},
            messages.SUCCESS if count else messages.WARNING,
        )


@part("alerts", permission="connectors.view_inboundevent", order=30)
def stuck(ids: Ids) -> Iterable[Alert]:
    """Messages that nobody but a person can help, on the start page. Counted no further than a thousand."""
    rows = within(InboundEvent.objects.filter(status__in=["attention", "failed"]), ids)
    link = reverse("admin:connectors_inboundevent_changelist")
    for status, text in (
        ("attention", say("Messages from other machines need somebody")),
        ("failed", say("Messages from other machines failed")),
    ):
        if count := len(rows.filter(status=status).order_by().values_list("pk")[: MOST_COUNTED + 1]):
            shown = f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"
            yield Alert(text, shown, f"{link}?status__exact={status}")
