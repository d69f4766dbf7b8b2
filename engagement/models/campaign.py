from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from customers.models import Segment
from engagement.models.experiment import Experiment
from engagement.models.message import Message
from lib.models import Row
from merchants.models import Merchant


class Campaign(Row):
    """
    Something said once to many: to a segment, or without one to everybody.

    `channels` are tried in this order, for each customer the first that reaches them. `arms` are
    `{"name": ..., "weight": ..., "template": ...}`. Recipients are written in the order of their ids: `cursor` is the
    last one looked at, `upto` the last one there was when it began, so that any worker goes on where another
    one stopped. `counts` are what came of those looked at: by channel, by reason, held out.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SCHEDULED = "scheduled", _("Scheduled")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        STOPPED = "stopped", _("Stopped")
        DONE = "done", _("Done")

    prefix = "cmp"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=120)
    segment = models.ForeignKey(
        Segment, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    channels = models.JSONField(default=list)
    arms = models.JSONField(default=list)
    receipt_note = models.CharField(max_length=160, blank=True)
    purpose = models.CharField(max_length=14, choices=Message.Purpose, default=Message.Purpose.MARKETING)
    starts_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT, editable=False)
    experiment = models.OneToOneField(Experiment, models.PROTECT, related_name="campaign", editable=False)
    cursor = models.BigIntegerField(default=0, editable=False)
    upto = models.BigIntegerField(default=0, editable=False)
    total = models.PositiveIntegerField(default=0, editable=False)
    seen = models.PositiveIntegerField(default=0, editable=False)
    counts = models.JSONField(default=dict, editable=False)
    worked_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)
    history = HistoricalRecords(excluded_fields=["cursor", "seen", "counts", "worked_at"])

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_campaign_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(state="draft") | models.Q(starts_at__isnull=False),
                name="a_campaign_that_is_no_draft_has_a_beginning",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=("stopped", "done"), ended_at__isnull=False)
                | (~models.Q(state__in=("stopped", "done")) & models.Q(ended_at__isnull=True)),
                name="only_a_campaign_that_is_over_has_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["worked_at"],
                name="campaigns_at_work",
                condition=models.Q(state__in=("scheduled", "running")),
            ),
            models.Index(fields=["merchant", "-id"], name="campaigns_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name
