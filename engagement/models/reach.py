from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Suppression(Row):
    """A contact that must not be written to on a channel, whoever has it: a keyed hash, never the contact."""

    class Reason(models.TextChoices):
        BOUNCED = "bounced", _("The address does not exist")
        COMPLAINED = "complained", _("Called a message spam")
        MANUAL = "manual", _("Blocked by staff")

    prefix = "sup"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    channel = models.CharField(max_length=20)
    contact_hash = models.CharField(max_length=64)
    hint = models.CharField(max_length=12, blank=True)
    reason = models.CharField(max_length=12, choices=Reason)
    message_id = models.BigIntegerField(null=True)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "contact_hash", "channel"],
                name="a_contact_is_suppressed_once_per_channel",
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.hint}"


class OptIn(Row):
    """
    A yes that waits for its confirmation by a link in a mail (double opt-in), kept with its words and place.

    It becomes a `Consent` when it is confirmed, by whoever opens the mail of `contact_hash`.
    """

    prefix = "opt"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", db_index=False)
    channel = models.CharField(max_length=20)
    purpose = models.CharField(max_length=40)
    contact_hash = models.CharField(max_length=64)
    source = models.CharField(max_length=60, blank=True)
    wording = models.TextField(blank=True)
    asked_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["customer", "channel", "purpose"], name="opt_ins_by_customer")]

    def __str__(self) -> str:
        return f"{self.channel}/{self.purpose}"
