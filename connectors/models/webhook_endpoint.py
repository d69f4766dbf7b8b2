from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models import Merchant


class WebhookEndpoint(Row):
    """
    One address of one merchant that wants to hear what happens.

    `kinds` are kinds of events or patterns like `points.*`; `filters` and `mapping` say which events and what
    of them (`connectors.payloads`). The secrets are sealed; while `previous_until` lies ahead each message
    carries a signature by both. `failing_since` is the first failure after the last success: an endpoint that
    fails for three days is switched off, and `disabled_reason` says so.
    """

    class Reason(models.TextChoices):
        FAILING = "failing", _("It failed for three days")
        GONE = "gone", _("It answered 410 Gone")
        STAFF = "staff", _("Switched off by hand")

    prefix = "whe"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="webhook_endpoints", db_index=False)
    code = models.SlugField(max_length=60, blank=True, help_text=_("Its name in the program file, if any."))
    url = models.CharField(_("address"), max_length=500, help_text=_("Like https://crm.example.com/hooks."))
    description = models.CharField(max_length=200, blank=True)
    kinds = models.JSONField(_("events"), default=list, help_text=_("Kinds of events, like points.*"))
    filters = models.JSONField(default=dict, blank=True)
    mapping = models.JSONField(default=dict, blank=True)
    secret_sealed = models.TextField(editable=False)
    previous_sealed = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    secret_name = models.CharField(max_length=100, blank=True, editable=False)
    is_on = models.BooleanField(_("is on"), default=True)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=10, blank=True, choices=Reason, editable=False)
    notified_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="an_endpoint_is_keyed_by_merchant"),
            models.UniqueConstraint(
                fields=["merchant", "code"],
                condition=~models.Q(code=""),
                name="an_endpoint_code_is_unique_per_merchant",
            ),
            models.CheckConstraint(
                condition=models.Q(is_on=True, disabled_at=None) | models.Q(is_on=False),
                name="an_endpoint_that_is_on_is_not_disabled",
            ),
        ]

    def __str__(self) -> str:
        return self.description or self.url
