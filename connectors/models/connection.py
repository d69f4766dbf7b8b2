from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models import Merchant, Store


class Connection(Row):
    """
    One machine that sends webhooks to one merchant.

    The secrets are sealed (`lib.secrets`) and never shown; after a rotation the previous one is accepted
    until `previous_until`. Facts from here are told apart from others by the connection's public id.
    """

    class Enroll(models.TextChoices):
        NEVER = "never", _("Never: keep their sales until they join")
        ALWAYS = "always", _("Always: whoever pays with an e-mail or phone joins")

    prefix = "cnx"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="connections", db_index=False)
    code = models.SlugField(
        max_length=60, help_text=_("Short name in the hook's address, like main. It stays as it is.")
    )
    kind = models.SlugField(max_length=20)
    secret_sealed = models.TextField(blank=True, editable=False)
    previous_sealed = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    secret_name = models.CharField(
        max_length=100, blank=True, editable=False, help_text=_("The environment variable it was read from.")
    )
    enroll = models.CharField(_("enroll unknown people"), max_length=10, choices=Enroll, default=Enroll.NEVER)
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The store its sales belong to, if any."),
    )
    options = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "code"], name="a_connection_code_is_unique_per_merchant"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}/{self.code}"

    @property
    def hook_path(self) -> str:
        """Where the other machine sends its messages, below the service's own address."""
        return f"/hooks/{self.kind}/{self.merchant.slug}/{self.code}"
