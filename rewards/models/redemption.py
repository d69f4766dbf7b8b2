from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from loyalty.models import Membership
from merchants.models import Merchant
from rewards.models.reward import Reward


class Redemption(Row):
    """
    Points spent on a reward. What is handed over at once (a voucher, a discount) is `fulfilled` from the
    beginning; goods are `pending` until staff hand them over. Cancelling gives back points and stock.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("To be handed over")
        FULFILLED = "fulfilled", _("Handed over")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Could not be handed over")

    prefix = "red"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="redemptions", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="redemptions", db_index=False)
    # The holder of the household's pool that paid; empty: the customer did.
    payer = models.ForeignKey(Customer, models.PROTECT, null=True, related_name="+", db_index=False)
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(max_length=10, choices=Status)
    points = models.BigIntegerField()
    reward_name = models.CharField(max_length=120)  # as it was then
    worth = models.JSONField(default=dict)  # what the kind promised: see rewards/kinds/base.py
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    purchase_reference = models.CharField(max_length=200, blank=True)
    hold_id = models.BigIntegerField(null=True)  # the hold that reserved the points, if one did
    returned = models.BigIntegerField(default=0)  # of its points came back with refunds of what they paid
    entry_id = models.BigIntegerField(null=True)  # the ledger's entry; empty for a reward that costs nothing
    by = models.CharField(max_length=120, blank=True)
    note = models.CharField(max_length=300, blank=True)  # why it was cancelled or failed
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_redemption_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(points__gte=0), name="redeemed_points_are_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(returned__gte=0) & models.Q(returned__lte=models.F("points")),
                name="no_more_is_returned_than_was_redeemed",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "customer", "recorded_at"], name="redemptions_by_customer"),
            models.Index(fields=["merchant", "reward", "recorded_at"], name="redemptions_by_reward"),
            models.Index(
                fields=["merchant", "id"],
                name="redemptions_to_hand_over",
                condition=models.Q(status="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reward_name} ({self.public_id})"
