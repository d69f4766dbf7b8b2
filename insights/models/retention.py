from datetime import date, timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from insights.retention import Parts
from lib.models import Row
from merchants.models import Merchant


class RetentionSnapshot(Row):
    """
    The revenue of one window against the window before it (`insights.retention.Parts`), of all customers or of
    one group: `dimension` total, tier, segment, channel, store or cohort; `key` names the group.

    `ends_on` is the first day after the window. The latest, and those of the first of each month, are kept.
    `points_redeemed` and `points_cost_minor` are of the total only.
    """

    class Dimension(models.TextChoices):
        TOTAL = "total", _("All customers")
        TIER = "tier", _("Tier")
        SEGMENT = "segment", _("Segment")
        CHANNEL = "channel", _("Channel of the first purchase")
        STORE = "store", _("Store of the first purchase")
        COHORT = "cohort", _("Year of the first purchase")

    prefix = "ret"

    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="+", db_index=False)
    ends_on = models.DateField()
    days = models.PositiveSmallIntegerField()
    dimension = models.CharField(max_length=10, choices=Dimension)
    key = models.CharField(max_length=120, blank=True)
    currency = models.CharField(max_length=3)
    lapse_days = models.PositiveSmallIntegerField()
    start = models.BigIntegerField()
    expansion = models.BigIntegerField()
    contraction = models.BigIntegerField()
    lapsed = models.BigIntegerField()
    paused = models.BigIntegerField()
    returned = models.BigIntegerField()
    new = models.BigIntegerField()
    now = models.BigIntegerField()
    base_customers = models.BigIntegerField()
    kept_customers = models.BigIntegerField()
    lapsed_customers = models.BigIntegerField()
    paused_customers = models.BigIntegerField()
    points_redeemed = models.BigIntegerField(null=True)
    points_cost_minor = models.BigIntegerField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-ends_on", "days", "dimension", "key"]
        verbose_name = _("retention")
        verbose_name_plural = _("Retention")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "ends_on", "days", "dimension", "key"],
                name="one_retention_of_a_group_per_window",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ends_on}, {self.days}"

    def is_covered(self, begins: date | None) -> bool:
        """
        Tell whether a history that begins then reaches back through the window before this one. Where it does
        not, almost nothing was spent "before", and any percentage of that is nonsense.
        """
        return begins is not None and begins <= self.ends_on - timedelta(days=2 * self.days)

    @property
    def parts(self) -> Parts:
        return Parts(**{name: getattr(self, name) for name in PARTS})


PARTS: tuple[Any, ...] = tuple(Parts.__dataclass_fields__)


class CohortMonth(models.Model):
    """What those who first bought in one month did `after` so many months: how many bought, and for how much."""

    pk = models.CompositePrimaryKey("merchant_id", "joined", "after")
    merchant_id = models.BigIntegerField()
    joined = models.DateField()
    after = models.SmallIntegerField()
    customers = models.BigIntegerField()
    revenue_minor = models.BigIntegerField()
