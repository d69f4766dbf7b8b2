from django.db import models


class Reference(models.Model):
    """
    What was already said, for ever: one row per merchant, source, kind and the caller's own number.

    A table of its own, so that the facts it points to can be partitioned by time. A purchase may have
    several rows: the other numbers of the same sale are aliases.
    """

    pk = models.CompositePrimaryKey("merchant_id", "reference", "kind", "source")
    merchant_id = models.BigIntegerField()
    source = models.CharField(max_length=60)
    kind = models.CharField(max_length=12)
    reference = models.CharField(max_length=200)
    target_id = models.BigIntegerField()
    created_at = models.DateTimeField()


class CustomerDay(models.Model):
    """
    Sums of one membership on one local day in one currency: tiers read them.

    `revenue_minor` is merchandise sold, `refunds_minor` merchandise given back on that day, `spend_minor`
    and `points` are what qualifies for tiers, net of what refunds took back from that day's sales.
    """

    pk = models.CompositePrimaryKey("merchant_id", "membership_id", "day", "currency")
    merchant_id = models.BigIntegerField()
    membership_id = models.BigIntegerField()
    day = models.DateField()
    currency = models.CharField(max_length=3)
    orders = models.IntegerField(default=0)
    revenue_minor = models.BigIntegerField(default=0)
    refunds_minor = models.BigIntegerField(default=0)
    spend_minor = models.BigIntegerField(default=0)
    points = models.BigIntegerField(default=0)


class RevenueDay(models.Model):
    """
    What one customer was worth on one local day in one currency: the only input to RFM, CLV and retention.

    `orders` are sales, without those given back whole. `net_revenue_minor` is what was sold, without tax,
    shipping and what points paid for, less what was given back on this day; it may be negative.
    `refunds_minor` is that part, in the same terms. See `loyalty/customer_days.py`.
    """

    pk = models.CompositePrimaryKey("merchant_id", "customer_id", "day", "currency")
    merchant_id = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    day = models.DateField()
    currency = models.CharField(max_length=3)
    orders = models.IntegerField()
    net_revenue_minor = models.BigIntegerField()
    refunds_minor = models.BigIntegerField()


class RfmScore(models.Model):
    """How recently, how often and for how much a customer bought, in fifths of all who bought: 5 is best."""

    pk = models.CompositePrimaryKey("merchant_id", "customer_id")
    merchant_id = models.BigIntegerField()
    customer_id = models.BigIntegerField()
    recency = models.SmallIntegerField()
    frequency = models.SmallIntegerField()
    money = models.SmallIntegerField()
    name = models.CharField(max_length=20)


class RuleCount(models.Model):
    """How often a capped rule gave points to one membership in one period: day, month, year or ever."""

    pk = models.CompositePrimaryKey("merchant_id", "membership_id", "rule", "period", "starts")
    merchant_id = models.BigIntegerField()
    membership_id = models.BigIntegerField()
    rule = models.CharField(max_length=60)
    period = models.CharField(max_length=5)
    starts = models.DateField()
    times = models.IntegerField(default=0)
    points = models.BigIntegerField(default=0)
