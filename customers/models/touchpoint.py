from django.db import models

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant


class Touchpoint(Row):
    """
    One dated fact about one customer, written in the transaction of the change it records.

    `kind` reads `noun.past_participle`. `relayed_at` is empty while a listener waits to be told; kinds
    nobody listens to are written as already relayed. An anonymous touchpoint has no customer yet.
    """

    prefix = "tpt"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="touchpoints", db_constraint=False, db_index=False
    )
    anonymous_id = models.CharField(max_length=80, blank=True, default="")
    kind = models.CharField(max_length=60)
    channel = models.CharField(max_length=20, blank=True, default="")
    reference = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    relayed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "kind", "reference"],
                condition=~models.Q(reference=""),
                name="a_touchpoint_reference_is_told_once",
            )
        ]
        indexes = [
            # With kind and channel the journeys of a year are read from the index alone, in the order of a
            # person's time.
            models.Index(
                fields=["merchant", "customer", "occurred_at", "id", "kind", "channel"],
                name="touchpoints_by_customer",
            ),
            models.Index(fields=["id"], name="touchpoints_not_relayed", condition=models.Q(relayed_at=None)),
            models.Index(
                fields=["merchant", "anonymous_id", "occurred_at", "id", "kind", "channel"],
                name="touchpoints_anonymous",
                condition=models.Q(customer=None) & ~models.Q(anonymous_id=""),
            ),
        ]

    def __str__(self) -> str:
        return self.kind
