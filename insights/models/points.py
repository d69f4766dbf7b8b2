from django.db import models
from django.utils.translation import gettext_lazy as _


class PointsDay(models.Model):
    """
    What the entries of one kind, booked on one local day, did to a program's points.

    `points` is the effect on what customers can use less what they owe, `pending` on what still waits. See
    `insights/points.py`.
    """

    pk = models.CompositePrimaryKey("merchant_id", "program_id", "day", "kind")
    merchant_id = models.BigIntegerField()
    program_id = models.BigIntegerField()
    day = models.DateField()
    kind = models.CharField(max_length=12)
    points = models.BigIntegerField()
    pending = models.BigIntegerField()
    entries = models.BigIntegerField()


class PointsCohort(models.Model):
    """
    What became of the points issued in one month, by the months between issue and what happened.

    `month` is year x 12 + month - 1. Of all ages, issued - redeemed - expired is what the lots still hold.
    """

    pk = models.CompositePrimaryKey("merchant_id", "program_id", "month", "age")
    merchant_id = models.BigIntegerField()
    program_id = models.BigIntegerField()
    month = models.IntegerField()
    age = models.IntegerField()
    issued = models.BigIntegerField()
    redeemed = models.BigIntegerField()
    expired = models.BigIntegerField()


class PointsReading(models.Model):
    """How far the two tables above have read a merchant's entries: they hold all up to `last_id`, each once."""

    merchant = models.OneToOneField("merchants.Merchant", models.CASCADE, primary_key=True, related_name="+")
    last_id = models.BigIntegerField(default=0)
    read_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("points and liability")
        verbose_name_plural = _("points and liability")

    def __str__(self) -> str:
        return str(self.merchant)
