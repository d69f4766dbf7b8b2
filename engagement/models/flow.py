from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Flow(Row):
    """
    One automated conversation of a merchant: what starts it, and the steps that follow.

    `document` is what was published last, `version` its number; what runs goes on with the version it
    began with. An archived flow was taken out of the program file: it is off, and its results are kept.
    `scanned_on` is the last local day whose dates were looked for, `scanned_to` the last
    customer that the scan of the day after has seen.
    """

    prefix = "flw"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    is_on = models.BooleanField(_("on"), default=False)
    is_archived = models.BooleanField(default=False, editable=False)
    document = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=0, editable=False)
    scanned_on = models.DateField(null=True, editable=False)
    scanned_to = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(editable=False)
    history = HistoricalRecords(excluded_fields=["scanned_on", "scanned_to"])

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "slug"], name="a_flow_is_named_once_per_merchant"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_flow_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name


class FlowVersion(Row):
    """A flow as it was published once. Append-only: what started with it ends with it."""

    prefix = "flv"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    flow = models.ForeignKey(Flow, models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    document = models.JSONField()
    published_at = models.DateTimeField()
    by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["flow", "number"], name="flow_versions_are_numbered"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_flow_version_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} #{self.number}"


class FlowRun(Row):
    """
    One customer in one flow, about one thing: the instance `key` is a basket, a purchase, a day.

    `step` is the path of the step to be done next, `phase` how far it is: empty, `waiting` (its wait has
    begun) or `heard` (what it waits for happened). `gives` says that it moves points or a voucher. `goal_until`
    is there while the goal still counts, for who was held out too. `began_at` is when it happened,
    `started_at` when we learned of it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Under way")
        DONE = "done", _("Done")
        EXITED = "exited", _("Ended early")
        HELD_OUT = "held_out", _("Held out, to compare")

    class Phase(models.TextChoices):
        NEXT = "", _("Next")
        WAITING = "waiting", _("Waiting")
        HEARD = "heard", _("Happened")

    prefix = "flr"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    flow = models.ForeignKey(Flow, models.PROTECT, related_name="runs", db_index=False)
    version = models.ForeignKey(FlowVersion, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="flow_runs", db_index=False)
    key = models.CharField(max_length=200)
    data = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    step = models.CharField(max_length=60)
    phase = models.CharField(max_length=7, choices=Phase, blank=True, default=Phase.NEXT)
    gives = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    arm = models.CharField(max_length=20, blank=True, default="")
    ended_reason = models.CharField(max_length=60, blank=True, default="")
    began_at = models.DateTimeField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    goal_until = models.DateTimeField(null=True)
    goal_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # The customer first: see the referral code of a customer.
            models.UniqueConstraint(
                fields=["customer", "flow", "key"],
                condition=models.Q(state="waiting"),
                name="one_live_run_per_flow_customer_and_key",
            ),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_flow_run_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", ended_at__isnull=True)
                | (~models.Q(state="waiting") & models.Q(ended_at__isnull=False)),
                name="only_a_run_under_way_has_no_end",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="exited") | ~models.Q(ended_reason=""),
                name="a_run_that_ended_early_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["flow", "gives", "due_at", "id"],
                name="flow_runs_due",
                condition=models.Q(state="waiting"),
            ),
            models.Index(fields=["customer", "flow", "-started_at"], name="flow_runs_by_customer"),
            models.Index(fields=["flow", "-id"], name="flow_runs_by_flow"),
        ]

    def __str__(self) -> str:
        return f"{self.flow} · {self.key}"


class FlowStep(Row):
    """What one step of a run did, once. Append-only."""

    prefix = "fls"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    run = models.ForeignKey(FlowRun, models.PROTECT, related_name="log", db_index=False)
    step = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    outcome = models.CharField(max_length=40)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "step"], name="a_step_of_a_run_is_done_once"),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.step} {self.kind}: {self.outcome}"


class Holdout(Row):
    """The share of a merchant's customers whom no marketing flow reaches, to see what flows change."""

    prefix = "hdo"

    merchant = models.OneToOneField(Merchant, models.PROTECT, related_name="holdout")
    percent = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(50)],
        help_text=_("0 to 50. The same customers stay held out; what they must be told reaches them."),
    )
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("always-on holdout")
        verbose_name_plural = _("always-on holdout")

    def __str__(self) -> str:
        return f"{self.percent} %"
