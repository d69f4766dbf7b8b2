from django.db import models


class Recommendation(models.Model):
    """
    What a customer may like, best first, as of last night. See `insights/recommendations.py`.

    `rewards` are ids, whether affordable or not: that is asked when they are shown. `products` are
    [sku, name]. `coming` is how many points the customer earns in thirty days as of late.
    """

    pk = models.CompositePrimaryKey("merchant_id", "customer_id")
    merchant_id = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    rewards = models.JSONField(default=list)
    products = models.JSONField(default=list)
    coming = models.BigIntegerField(default=0)
    made_at = models.DateTimeField()
