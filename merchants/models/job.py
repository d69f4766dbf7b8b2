from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models.merchant import Merchant


class Job(Row):
    """
    Long work that somebody started: what (`kind`, `parameters`), how far (`done` of `total`, `place`), what came of it.

    A job with a rehearsal is done twice: in the phase `check` it saves nothing and says what it would do, and the
    phase `run` does it once somebody has said so. `counts` are the kind's own; `faults` the first refused rows.
    `place` is where a kind goes on. While `leased_until` lies ahead a worker has it, under the number `lease`.
    """

    class Phase(models.TextChoices):
        CHECK = "check", _("rehearsal")
        RUN = "run", _("the work itself")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting for a worker")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    prefix = "job"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(_("what"), max_length=40)
    parameters = models.JSONField(default=dict)
    phase = models.CharField(_("phase"), max_length=8, choices=Phase, default=Phase.RUN)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.QUEUED)
    total = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    place = models.BigIntegerField(default=0)
    counts = models.JSONField(default=dict)
    faults = models.JSONField(default=list)
    error = models.CharField(_("why it failed"), max_length=500, blank=True, default="")
    file_name = models.CharField(_("file"), max_length=200, blank=True, default="")
    started_by = models.CharField(_("started by"), max_length=150)
    created_at = models.DateTimeField(_("started"))
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    turn_at = models.DateTimeField()
    lease = models.BigIntegerField(null=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("long job")
        verbose_name_plural = _("long jobs")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_job_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(state="running", lease__isnull=False, leased_until__isnull=False)
                | ~models.Q(state="running") & models.Q(lease=None, leased_until=None),
                name="a_running_job_is_somebodys",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["queued", "running"], ended_at=None)
                | models.Q(state__in=["done", "failed", "cancelled"], ended_at__isnull=False),
                name="a_job_that_ended_says_when",
            ),
        ]
        indexes = [
            models.Index(
                fields=["turn_at", "id"],
                name="jobs_to_do",
                condition=models.Q(state__in=["queued", "running"]),
            )
        ]

    def __str__(self) -> str:
        return self.public_id


class JobPiece(models.Model):
    """A piece of a job's file, in its order. In the database: web servers and workers share no folder."""

    class Role(models.TextChoices):
        UPLOAD = "upload", _("what was uploaded")
        REPORT = "report", _("refused rows")
        RESULT = "result", _("what was made")

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="pieces", db_index=False)
    role = models.CharField(max_length=6, choices=Role)
    number = models.IntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "job", "role", "number"], name="a_piece_has_one_place"
            )
        ]
        indexes = [
            models.Index(fields=["created_at"], name="job_pieces_by_time"),
            models.Index(fields=["job"], name="job_pieces_by_job"),
        ]
