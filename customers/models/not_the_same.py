from django.db import models

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant


class NotTheSame(Row):
    """Two customers who look like one person and are not, because somebody who knows them said so."""

    prefix = "nts"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    first = models.ForeignKey(Customer, models.CASCADE, related_name="+", db_index=False)
    second = models.ForeignKey(Customer, models.CASCADE, related_name="+")
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "first", "second"], name="a_pair_is_set_apart_once"),
            models.CheckConstraint(
                condition=models.Q(first__lt=models.F("second")), name="the_older_of_a_pair_comes_first"
            ),
        ]
        indexes = [models.Index(fields=["first"], name="set_apart_by_first")]

    def __str__(self) -> str:
        return f"{self.first} ≠ {self.second}"
