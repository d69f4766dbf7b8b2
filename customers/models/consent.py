from django.db import models

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant


class Consent(Row):
    """Yes or no to one purpose on one channel, at one time. A fact: never changed, the newest one counts."""

    prefix = "con"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="consents", db_index=False)
    channel = models.CharField(max_length=20)
    purpose = models.CharField(max_length=40)
    granted = models.BooleanField()
    source = models.CharField(max_length=60, blank=True)
    wording = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["customer", "channel", "purpose", "-at"], name="consents_newest_first")
        ]

    def __str__(self) -> str:
        return f"{self.channel}/{self.purpose}: {'yes' if self.granted else 'no'}"
