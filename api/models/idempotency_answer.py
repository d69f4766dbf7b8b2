from django.db import models


class IdempotencyAnswer(models.Model):
    """The first answer to one call with an `Idempotency-Key`. Written once, deleted after 30 days."""

    pk = models.CompositePrimaryKey("merchant_id", "method", "path", "key")
    merchant_id = models.BigIntegerField()
    method = models.CharField(max_length=6)
    path = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    location = models.CharField(max_length=200, blank=True, default="")
    customer_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["merchant_id", "customer_id"],
                name="answers_about_a_customer",
                condition=models.Q(customer_id__isnull=False),
            )
        ]
