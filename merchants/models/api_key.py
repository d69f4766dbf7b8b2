from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models.merchant import Merchant, Store

SCOPES = {
    "customers:read": _("Look up customers, balances and statements"),
    "customers:write": _("Enroll, change and erase customers, note touchpoints"),
    "customers:export": _("Download everything kept about a person"),
    "purchases:write": _("Record purchases and refunds"),
    "points:adjust": _("Give or take points by hand"),
    "rewards:write": _("Redeem rewards and use vouchers"),
    "reports:read": _("Read reports"),
    "webhooks:write": _("Manage outgoing webhooks"),
    "*": _("Everything"),
}


class ApiKey(Row):
    """Opens the API for one merchant, optionally one store and till. Only the SHA-256 digest is kept."""

    prefix = "key"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=80, default="till")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False, help_text=_("The first letters of the key."))
    scopes = models.JSONField(default=list)
    store = models.ForeignKey(Store, models.PROTECT, null=True, blank=True, related_name="+")
    till = models.CharField(max_length=60, blank=True)
    is_test = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("API key")

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
