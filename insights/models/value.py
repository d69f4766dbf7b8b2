from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from lib.models import Row
from merchants.models import Merchant


class Lifecycle(models.IntegerChoices):
    """Where a customer stands. A prospect never bought and has no score."""

    NEW = 1, _("New")
    ACTIVE = 2, _("Active")
    AT_RISK = 3, _("At risk")
    LAPSED = 4, _("Lapsed")
    WON_BACK = 5, _("Won back")


class Band(models.IntegerChoices):
    """A fifth of the buyers, by what they are expected to be worth."""

    LOWEST = 1, _("Lowest fifth")
    LOW = 2, _("Low")
    MIDDLE = 3, _("Middle")
    HIGH = 4, _("High")
    TOP = 5, _("Top fifth")


class MerchantInsight(models.Model):
    """
    After how many silent days a customer counts as lapsed, and the refresh that runs.

    `lapse_days` is found in the merchant's own purchases every week; `lapse_override` is the merchant's word
    against it. A refresh that somebody asked for is newer in `wanted_at` than in `finished_at`.
    """

    merchant = models.OneToOneField(Merchant, models.CASCADE, primary_key=True, related_name="insight")
    lapse_override = models.PositiveSmallIntegerField(
        _("lapse window, days"),
        null=True,
        blank=True,
        validators=[MinValueValidator(7), MaxValueValidator(730)],
        help_text=_("Leave it empty, and it is found in your customers' own purchases every week."),
    )
    lapse_days = models.PositiveSmallIntegerField(default=90, editable=False)
    lapse_found_on = models.DateField(null=True, editable=False)
    wanted_at = models.DateTimeField(null=True, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    step = models.CharField(max_length=20, blank=True, editable=False)
    percent = models.PositiveSmallIntegerField(default=0, editable=False)
    history = HistoricalRecords(
        excluded_fields=[
            "lapse_days",
            "lapse_found_on",
            "wanted_at",
            "started_at",
            "finished_at",
            "step",
            "percent",
        ]
    )

    class Meta:
        verbose_name = _("report setting")
        verbose_name_plural = _("report settings")

    def __str__(self) -> str:
        return str(self.merchant)

    @property
    def window(self) -> int:
        """The lapse window in force, in days."""
        return self.lapse_override or self.lapse_days


class ClvRun(Row):
    """
    One forecast of a merchant's customers, as of the end of a day in the merchant's zone.

    Money is in minor units of `currency`; other currencies are left out and counted in `left_out`. `fit` has the
    parameters and the day they were fitted on, `backtest` the same method on a past day against what came
    after it. `groups` are sums by dimension, `remarks` codes: see `insights.clv.Forecast`.
    """

    class Status(models.TextChoices):
        HISTORY_ONLY = "history_only", _("History only")
        EARLY = "early", _("Early estimate")
        FORECAST = "forecast", _("Forecast")

    prefix = "clv"

    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="+", db_index=False)
    as_of = models.DateField()
    made_at = models.DateTimeField()
    status = models.CharField(max_length=12, choices=Status)
    currency = models.CharField(max_length=3)
    lapse_days = models.PositiveSmallIntegerField()
    margin = models.FloatField()
    discount = models.FloatField()
    customers = models.BigIntegerField()
    repeaters = models.BigIntegerField()
    left_out = models.BigIntegerField(default=0)
    historic_minor = models.BigIntegerField()
    value_minor = models.BigIntegerField()
    fit = models.JSONField(default=dict)
    backtest = models.JSONField(default=dict)
    groups = models.JSONField(default=dict)
    remarks = models.JSONField(default=list)
    seconds = models.FloatField()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("customer value")
        verbose_name_plural = _("Customer value")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "made_at"], name="one_forecast_of_a_merchant_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["merchant", "-as_of", "-id"], name="clvrun_latest")]

    def __str__(self) -> str:
        return f"{self.as_of}"


class ClvScore(models.Model):
    """
    What one buyer was worth so far, and is expected to be. Probabilities are 0 to 1, money minor units.

    `at_risk` is the probability of no purchase within the lapse window; `watch` numbers those a message may still
    win, those with most at stake first (0: not among them). Without a forecast these are all 0.
    """

    pk = models.CompositePrimaryKey("merchant_id", "customer_id")
    merchant_id = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    run_id = models.BigIntegerField()
    lifecycle = models.SmallIntegerField(choices=Lifecycle)
    band = models.SmallIntegerField(choices=Band)
    days = models.BigIntegerField()
    first_day = models.DateField()
    last_day = models.DateField()
    historic_minor = models.BigIntegerField()
    alive = models.FloatField()
    at_risk = models.FloatField()
    purchases = models.FloatField()
    value_minor = models.BigIntegerField()
    at_stake_minor = models.BigIntegerField()
    watch = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["merchant_id", "watch"], name="clvscore_watch", condition=models.Q(watch__gt=0)
            )
        ]
