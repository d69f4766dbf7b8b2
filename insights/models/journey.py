from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from lib.models import Row
from merchants.models import Merchant


class JourneyStages(Row):
    """
    Which kinds of touchpoints count as which stage of a customer's way: `kinds` is a list per stage.

    A merchant without a row has the stages that come with the service. See `insights/stages.py`.
    """

    prefix = "jst"

    merchant = models.OneToOneField(Merchant, models.CASCADE, related_name="+")
    kinds = models.JSONField(_("touchpoints"), default=dict)
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("customer journey")
        verbose_name_plural = _("customer journeys")

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class JourneySnapshot(Row):
    """The journey map of a merchant's last days, as it was at `made_at`: what the page opens with."""

    prefix = "jsn"

    merchant = models.OneToOneField(Merchant, models.CASCADE, related_name="+")
    document = models.JSONField()
    made_at = models.DateTimeField()
    seconds = models.FloatField()

    def __str__(self) -> str:
        return str(self.made_at)
