from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from lib.models import Row
from merchants.models import Merchant


class Program(Row):
    """How one merchant's points are earned, kept and lost. One program has one points currency."""

    class Rounding(models.TextChoices):
        FLOOR = "floor", _("Down")
        HALF_UP = "half_up", _("To the nearest, halves up")
        CEIL = "ceil", _("Up")

    class Tax(models.TextChoices):
        INCLUDED = "included", _("Points on the price with tax")
        EXCLUDED = "excluded", _("Points on the price without tax")

    class Expiry(models.TextChoices):
        NEVER = "never", _("Never")
        AGE = "age", _("Some months after they became usable")
        AGE_ROUNDED = "age_rounded", _("The same, rounded to the end of a period")
        FIXED_DAY = "fixed_day", _("On one day of the year")
        INACTIVITY = "inactivity", _("After some months without any activity")

    class RoundTo(models.TextChoices):
        MONTH = "month", _("Month")
        QUARTER = "quarter", _("Quarter")
        HALF_YEAR = "half_year", _("Half-year")
        YEAR = "year", _("Year")

    class RefundPolicy(models.TextChoices):
        NEGATIVE = "negative", _("The account goes into debt")
        CLAMP = "clamp", _("The missing part is written off")
        REVIEW = "review", _("The missing part waits for staff")

    prefix = "prg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="programs", db_index=False)
    name = models.CharField(max_length=120)
    points_name = models.CharField(max_length=40, default="points")
    is_active = models.BooleanField(default=True)
    rounding = models.CharField(max_length=8, choices=Rounding, default=Rounding.FLOOR)
    tax = models.CharField(max_length=8, choices=Tax, default=Tax.INCLUDED)
    expiry_mode = models.CharField(max_length=12, choices=Expiry, default=Expiry.NEVER)
    expiry_months = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(120)]
    )
    expiry_round_to = models.CharField(max_length=10, choices=RoundTo, blank=True)
    expiry_day = models.CharField(
        max_length=5,
        blank=True,
        validators=[RegexValidator(r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", _("Like 12-31."))],
    )
    refund_policy = models.CharField(max_length=8, choices=RefundPolicy, default=RefundPolicy.NEGATIVE)
    refund_min_days_left = models.PositiveSmallIntegerField(default=30)
    refund_return_days = models.PositiveSmallIntegerField(default=14)
    reinstate_days = models.PositiveSmallIntegerField(default=90)
    extend_days = models.PositiveSmallIntegerField(
        default=30,
        help_text=_(
            "Points whose notices could not be delivered are kept so many days longer. 0: they expire."
        ),
    )
    extend_without_contact = models.BooleanField(
        default=False, help_text=_("Also for customers who left no address to write to.")
    )
    point_value_minor = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(1))
    point_cost_minor = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(1))
    gross_margin = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.4"))
    annual_discount = models.DecimalField(max_digits=5, decimal_places=4, default=Decimal("0.1"))
    # Sections of the program file that are kept as told for the rooms that act on them: referral, rewards, transfers.
    extras = models.JSONField(default=dict, blank=True, editable=False)
    history = HistoricalRecords()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "name"], name="a_program_name_is_unique_per_merchant"
            ),
            models.CheckConstraint(
                condition=~models.Q(expiry_mode__in=["age", "age_rounded", "inactivity"])
                | models.Q(expiry_months__gte=1, expiry_months__isnull=False),
                name="expiry_by_age_needs_months",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ProgramVersion(Row):
    """The whole program as it was published, as one document. Append-only; sales are judged by it."""

    prefix = "pgv"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    document = models.JSONField()
    starts_at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "number"], name="program_versions_are_numbered")
        ]

    def __str__(self) -> str:
        return f"{self.program} #{self.number}"


class TierSet(Row):
    """One set of levels with the way they are reached. Drafts are edited; one set is live at a time."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        LIVE = "live", _("Live")
        RETIRED = "retired", _("Retired")

    class Metric(models.TextChoices):
        SPEND = "spend", _("Money spent")
        POINTS_EARNED = "points_earned", _("Points earned")
        PURCHASES = "purchases", _("Number of purchases")
        VISITS = "visits", _("Days with a purchase")

    class Window(models.TextChoices):
        LIFETIME = "lifetime", _("Since joining, for ever")
        CALENDAR_YEAR = "calendar_year", _("Calendar year")
        ROLLING_DAYS = "rolling_days", _("The last days")
        MEMBERSHIP_YEAR = "membership_year", _("Year of membership")

    prefix = "tst"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="tier_sets")
    status = models.CharField(max_length=8, choices=Status, default=Status.DRAFT, editable=False)
    publish_at = models.DateTimeField(
        null=True, blank=True, help_text=_("A draft goes live at this time; empty means by hand.")
    )
    metric = models.CharField(max_length=14, choices=Metric, default=Metric.SPEND)
    window = models.CharField(max_length=16, choices=Window, default=Window.LIFETIME)
    window_days = models.PositiveSmallIntegerField(null=True, blank=True)
    first_month = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(12)]
    )
    downgrade_steps = models.PositiveSmallIntegerField(default=1)
    grace_days = models.PositiveSmallIntegerField(default=30)
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, editable=False)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program"], condition=models.Q(status="live"), name="one_live_tier_set_per_program"
            ),
            models.CheckConstraint(
                condition=~models.Q(window="rolling_days")
                | models.Q(window_days__gte=1, window_days__isnull=False),
                name="a_rolling_window_needs_days",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program}: {self.get_status_display()}"


class Tier(Row):
    """One level. `at` is in the unit of the set's metric: minor units, points, purchases or days."""

    prefix = "tir"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    tier_set = models.ForeignKey(TierSet, models.CASCADE, related_name="tiers", db_index=False)
    name = models.CharField(max_length=60)
    at = models.BigIntegerField(
        _("reached at"),
        validators=[MinValueValidator(0)],
        help_text=_("In the metric's unit; money in cents."),
    )
    multiplier = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal("0.001")), MaxValueValidator(Decimal(100))],
    )
    perks = models.JSONField(default=list, blank=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(fields=["tier_set", "name"], name="a_tier_name_is_unique_in_its_set"),
            models.UniqueConstraint(fields=["tier_set", "at"], name="a_tier_threshold_is_unique_in_its_set"),
        ]

    def __str__(self) -> str:
        return self.name


class EarningRule(Row):
    """One way to earn points. `kind` names a plugin of `loyalty.earning`, `params` are its settings."""

    prefix = "rul"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="rules", db_index=False)
    code = models.SlugField(max_length=60, help_text=_("Short name, as in the program file."))
    kind = models.CharField(max_length=30)
    params = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="a_rule_code_is_unique_per_program")
        ]

    def __str__(self) -> str:
        return self.code
