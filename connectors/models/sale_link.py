from django.db import models


class SaleLink(models.Model):
    """
    Two numbers of the other system that mean one sale, as some message said.

    Stripe says in one message that an invoice was paid and in another which payment paid it, in any order;
    a link outlives the message, so that whichever comes last finds the first. Each is kept in both
    directions, so that one index follows it from either end.
    """

    pk = models.CompositePrimaryKey("merchant_id", "connection_id", "one", "other")
    merchant_id = models.BigIntegerField()
    connection_id = models.BigIntegerField()
    one = models.CharField(max_length=200)
    other = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.one} = {self.other}"
