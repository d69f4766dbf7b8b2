from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from lib.models import Row
from merchants.models import Merchant


class Template(Row):
    """
    What a merchant says instead of the words we ship: one text per name, channel and language.

    Without a text in the customer's language the merchant's language is taken, then what we ship. Texts
    are Liquid, with the light marks that `engagement.markup` explains.
    """

    prefix = "tpl"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    name = models.SlugField(max_length=60, help_text=_("What it is for, like welcome."))
    channel = models.CharField(max_length=20, default="email")
    language = models.CharField(max_length=10, default="en")
    subject = models.CharField(max_length=200, blank=True, help_text=_("Not used for SMS."))
    body = models.TextField()
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["name", "channel", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "name", "channel", "language"],
                name="a_template_is_unique_per_name_channel_and_language",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.channel}, {self.language})"
