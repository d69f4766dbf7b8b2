from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Experiment(Row):
    """
    A question asked of customers: which arm do better, and by how much.

    `arms` are `{"name": ..., "weight": ...}` in a fixed order, the first one is what the others are compared with
    where nobody is held out. Who is in which arm is a stable hash of the key and the customer, and is
    written down (`Assignment`) when it first matters. The goal counts for `days` from then on.
    """

    prefix = "exp"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    arms = models.JSONField(default=list)
    holdout = models.PositiveSmallIntegerField(
        _("held out, in percent"), default=0, validators=[MaxValueValidator(90)]
    )
    goal = models.CharField(_("goal"), max_length=60, default="purchase.recorded")
    days = models.PositiveSmallIntegerField(
        _("days that count"), default=14, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )
    created_at = models.DateTimeField(editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    measured_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "slug"], name="an_experiment_is_named_once_per_merchant"
            ),
            models.UniqueConstraint(fields=["merchant", "id"], name="an_experiment_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name


class Assignment(Row):
    """
    One customer in one arm of one experiment, once and for good: append-only.

    Of a campaign it is a recipient too: `channel` says how they are reached; where it is empty, `reason` says
    why they are not. `assigned_on` is the merchant's local day, `until` when the goal stops counting.
    """

    prefix = "asg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    experiment = models.ForeignKey(Experiment, models.PROTECT, related_name="assignments", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="assignments", db_index=False)
    arm = models.CharField(max_length=20)
    channel = models.CharField(max_length=20, blank=True, default="")
    reason = models.CharField(max_length=20, blank=True, default="")
    assigned_at = models.DateTimeField()
    assigned_on = models.DateField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            # The customer first: see the referral code of a customer.
            models.UniqueConstraint(
                fields=["customer", "experiment"], name="a_customer_is_in_one_arm_of_an_experiment"
            ),
        ]
        indexes = [
            models.Index(fields=["experiment", "channel", "id"], name="assignments_by_experiment"),
        ]

    def __str__(self) -> str:
        return self.arm


class ExperimentDay(models.Model):
    """
    The sums of one arm as they stood on one day: enough for rates, means, CUPED and tests that may be peeked at.

    y is what the metric measures since the assignment, x the same before it. `goal` counts 0 or 1 per
    customer, `revenue` minor units in the merchant's currency. Made again at will.
    """

    pk = models.CompositePrimaryKey("experiment_id", "day", "metric", "arm")
    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    experiment = models.ForeignKey(Experiment, models.PROTECT, related_name="measured", db_index=False)
    day = models.DateField()
    metric = models.CharField(max_length=10)
    arm = models.CharField(max_length=20)
    n = models.BigIntegerField()
    sum_y = models.FloatField()
    sum_yy = models.FloatField()
    sum_x = models.FloatField()
    sum_xx = models.FloatField()
    sum_xy = models.FloatField()
