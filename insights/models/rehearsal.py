from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from loyalty.models import Program
from merchants.models import Merchant


class RehearsalRun(Row):
    """
    A draft of a program, tried out on the past. `figures` say what would have been different.

    `draft` is the program that was tried (`loyalty.drafts`), `digest` its SHA-256; `changes` say in
    sentences how it differs from the published one. The past are the `months` before `as_of`. `beat_at`
    moves while a worker is at it: one that died is run again.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Failed")

    prefix = "reh"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=200)
    months = models.PositiveSmallIntegerField(default=12)
    draft = models.JSONField()
    digest = models.CharField(max_length=64)
    changes = models.JSONField(default=list)
    status = models.CharField(max_length=9, choices=Status, default=Status.WAITING)
    members_done = models.IntegerField(default=0)
    members_total = models.IntegerField(null=True)
    figures = models.JSONField(null=True)
    fault = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=150, blank=True)
    as_of = models.DateTimeField()
    beat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("rehearsal")
        indexes = [
            models.Index(fields=["merchant", "program", "-id"], name="rehearsals_of_a_program"),
            models.Index(
                fields=["status", "id"],
                name="rehearsals_to_run",
                condition=models.Q(status__in=["waiting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name
