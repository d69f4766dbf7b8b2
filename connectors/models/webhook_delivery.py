from django.db import models
from django.utils.translation import gettext_lazy as _

from connectors.models.webhook_endpoint import WebhookEndpoint
from customers.models import Touchpoint
from lib import public_ids
from lib.models import Row
from merchants.models import Merchant


class WebhookDelivery(Row):
    """
    One event on its way to one endpoint; the body is made once, so every attempt says the same.

    Queued, sending and failed ones are due at `next_at`; of one that is being sent that is the end of the
    sender's lease. Delivered and dead are final until somebody sends it again. `touchpoint_id` is the event:
    its public form is the message's id, its number the event's place in the customer's order. `log` has one
    line per attempt: when, the answer's status, how long it took, what went wrong.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENDING = "sending", _("Being sent")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed, tried again")
        DEAD = "dead", _("Given up")

    prefix = "whd"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False
    )
    touchpoint_id = models.BigIntegerField()
    customer_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=60)
    body = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    last_status = models.PositiveSmallIntegerField(null=True)
    excerpt = models.CharField(max_length=500, blank=True)
    log = models.JSONField(default=list)
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "endpoint", "touchpoint_id"],
                name="an_event_is_queued_once_per_endpoint",
            )
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_at", "id"],
                name="deliveries_due",
                condition=models.Q(state__in=["queued", "sending", "failed"]),
            ),
            models.Index(
                fields=["merchant", "customer_id"],
                name="deliveries_by_customer",
                condition=~models.Q(body=""),
            ),
            models.Index(fields=["merchant", "id"], name="deliveries_by_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    @property
    def event_id(self) -> str:
        """The event's public id: the `webhook-id` of every attempt."""
        return public_ids.show(Touchpoint.prefix, self.touchpoint_id)
