"""What was said, to whom, and why it was not sent."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from engagement import messages as verbs
from engagement.models import Message
from lib.admin import FactAdmin, Ids, within
from lib.start_page import Alert, part

MOST_COUNTED = 1000


@admin.register(Message)
class MessageAdmin(FactAdmin):
    """A failed or unknown message is sent again by a person only: the customer may have got it already."""

    menu, menu_order, icon = "engagement", 10, "outbox"
    list_display = ["template", "channel", "customer", "status", "why", "due_at", "ended_at"]
    list_select_related = ["customer"]
    list_filter = ["status", "reason", "channel", "purpose"]
    search_fields = ["=key", "=template"]
    search_help_text = _("A message's id (msg_…), its key or the name of its text.")
    actions = ["resend"]
    fieldsets = [
        (None, {"fields": ["template", "channel", "purpose", "customer", "status", "why", "error"]}),
        (_("What was said"), {"fields": ["subject", "text"]}),
        (_("Where it comes from"), {"fields": ["key", "flow_run_id", "campaign_id", "arm"]}),
        (
            _("Times"),
            {
                "fields": [
                    "created_at",
                    "due_at",
                    "started_at",
                    "ended_at",
                    "delivered_at",
                    "read_at",
                    "attempts",
                ]
            },
        ),
    ]
    readonly_fields = ["why"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        is_list = bool(request.resolver_match and str(request.resolver_match.url_name).endswith("changelist"))
        return rows.defer("text", "data") if is_list else rows

    @admin.display(description=_("Why"))
    def why(self, message: Message) -> str:
        return message.get_reason_display() or (message.error[:80] if message.status == "failed" else "")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "change")

    @admin.action(description=_("Send again"), permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: Any) -> None:
        rows = self.narrow(request, queryset, "engagement.change_message")
        now = timezone.now()
        count = sum(verbs.resend(message=row, at=now) for row in rows)
        self.message_user(
            request,
            _("%(count)s messages are sent again. Only failed and unknown ones are.") % {"count": count},
            messages.SUCCESS if count else messages.WARNING,
        )


@part("alerts", permission="engagement.view_message", order=40)
def unclear(ids: Ids) -> Iterable[Alert]:
    """Messages that only a person can decide about, on the start page."""
    rows = within(Message.objects.filter(status=Message.Status.UNKNOWN), ids)
    if count := len(rows.order_by().values_list("pk")[: MOST_COUNTED + 1]):
        shown = f"{MOST_COUNTED:,}+" if count > MOST_COUNTED else f"{count:,}"
        link = reverse("admin:engagement_message_changelist")
        yield Alert(
            say("Messages that may or may not have been sent"), shown, f"{link}?status__exact=unknown"
        )
