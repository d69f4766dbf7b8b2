from django.db import models
from django.utils.translation import gettext_lazy as _

from connectors.models.connection import Connection
from lib.models import Row
from merchants.models import Merchant


class InboundEvent(Row):
    """
    One message from another machine, exactly as it came.

    Waiting: due at `due_at`, and nobody's before `claimed_until` is over (the lease of the worker that took
    it). Done and ignored are final; the body may be emptied after a while, the row stays, so that a repeat is
    known for ever. Attention: a person must decide. Failed: it was tried often enough.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Done")
        IGNORED = "ignored", _("Not used")
        ATTENTION = "attention", _("Needs attention")
        FAILED = "failed", _("Failed")

    prefix = "inb"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    connection = models.ForeignKey(
        Connection, models.PROTECT, related_name="events", db_constraint=False, db_index=False
    )
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=120)
    body = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "connection", "event_id"], name="an_event_is_stored_once_per_connection"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                name="events_due",
                condition=models.Q(status="waiting"),
            ),
            models.Index(
                fields=["merchant", "id"],
                name="events_that_need_somebody",
                condition=models.Q(status__in=["attention", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
