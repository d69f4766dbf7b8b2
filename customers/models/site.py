from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models import Merchant


class Site(Row):
    """
    The pages of a shop whose script may tell what visitors do there.

    `key` stands in the pages for everybody to read: it opens nothing but the door for anonymous touchpoints,
    and only to a browser that shows a page of `origins`. With the secret (sealed, see `lib.secrets`) the
    shop's server signs who a visitor is.
    """

    prefix = "ste"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(_("name"), max_length=80)
    key = models.CharField(_("key"), max_length=40, unique=True, editable=False)
    origins = models.JSONField(_("addresses"), default=list)
    secret_sealed = models.TextField(editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("website")
        verbose_name_plural = _("websites")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_site_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name
