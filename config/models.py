"""
What periodic work did: a row per task with its last run, and a row per task and hour, kept for 14 days.

A sweep runs every five seconds, so its history is counted by the hour: 17,000 rows a day that say "nothing was
due" help nobody. The rows are written by `config.periodic` and hold nothing about a merchant or a customer.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class PeriodicTask(models.Model):
    """
    The last run of one task. `finished_at` is of the last run that ended, well or not; `failed_at` and `error` are
    of the last failure, `done` counts the rows of the last run that did something (at `worked_at`).
    """

    task = models.CharField(max_length=100, primary_key=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)
    done = models.BigIntegerField(default=0)
    worked_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        ordering = ["task"]
        verbose_name = _("periodic work")
        verbose_name_plural = _("periodic work")

    def __str__(self) -> str:
        return self.task


class PeriodicHour(models.Model):
    """What one task did in one hour (UTC)."""

    task = models.CharField(max_length=100)
    hour = models.DateTimeField()
    runs = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    done = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    longest = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["task", "hour"], name="an_hour_is_counted_once_per_task")
        ]
        indexes = [models.Index(fields=["hour"], name="periodic_hours_by_time")]
