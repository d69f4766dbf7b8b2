from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant
from rewards.models.redemption import Redemption
from rewards.models.reward import Reward


class Reservation(Row):
    """
    One piece of a reward that a hold of points keeps off the shelf, with the price and what it is worth as
    they were promised. Past `expires_at` a held one is free, also before a job has written that down.
    """

    class Status(models.TextChoices):
        HELD = "held", _("Reserved at a checkout")
        USED = "used", _("Redeemed")
        FREED = "freed", _("Free again")

    prefix = "rsv"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    hold_id = models.BigIntegerField()
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    redemption = models.OneToOneField(Redemption, models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=Status)
    points = models.BigIntegerField()
    reward_name = models.CharField(max_length=120)
    worth = models.JSONField(default=dict)
    valid_days = models.IntegerField(null=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "hold_id"], name="a_hold_reserves_one_reward"),
            models.CheckConstraint(
                condition=models.Q(status="used") ^ models.Q(redemption=None),
                name="a_used_reservation_has_its_redemption",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "reward", "expires_at"],
                name="reservations_held",
                condition=models.Q(status="held"),
            ),
            models.Index(fields=["merchant", "customer"], name="reservations_by_customer"),
        ]

    def __str__(self) -> str:
        return self.reward_name
