from django.db import models

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class Merge(Row):
    """
    One customer joined into another: what was moved, so that it can be undone.

    `moved` has an item per program: the memberships, `lots` as [lot of the source, lot of the target],
    sums of points, the tier before and after, and the day sums and rule counts that were added. `aliases`
    are the customers who had been merged into the source before, and follow it.
    """

    prefix = "mrg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    source = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    target = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    reason = models.CharField(max_length=200, blank=True)
    moved = models.JSONField(default=list)
    aliases = models.JSONField(default=list)
    by = models.CharField(max_length=150, blank=True)
    merged_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=150, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "source"],
                name="a_customer_is_merged_once_at_a_time",
                condition=models.Q(undone_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("target")), name="nobody_is_merged_into_themselves"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "source"], name="merges_by_source"),
            models.Index(fields=["merchant", "target"], name="merges_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"
