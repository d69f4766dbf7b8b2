from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant


class Referral(Row):
    """
    One friend whom one customer brought. A friend is brought once per merchant, whatever is repeated.

    `signals` are the doubts that were noticed, by code; a referral with doubts is `flagged` and waits for
    staff. `purchase_id` is the purchase that qualified (a plain number: purchases are a higher room's) and
    `min_amount_minor` the minimum that counted then. `refusal` says by code why the referrer got nothing
    while the friend did; `reason` is what staff wrote.
    """

    class State(models.TextChoices):
        JOINED = "joined", _("Joined")
        FLAGGED = "flagged", _("Waits for staff")
        QUALIFIED = "qualified", _("Qualified")
        REWARDED = "rewarded", _("Rewarded")
        REJECTED = "rejected", _("Rejected")
        EXPIRED = "expired", _("Expired")
        CLAWED_BACK = "clawed_back", _("Taken back")

    prefix = "rfl"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    referrer = models.ForeignKey(Customer, models.PROTECT, related_name="referrals", db_index=False)
    friend = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    code = models.CharField(max_length=12)
    state = models.CharField(max_length=12, choices=State, default=State.JOINED)
    signals = models.JSONField(default=list)
    purchase_id = models.BigIntegerField(null=True)
    min_amount_minor = models.BigIntegerField(default=0)
    referrer_points = models.BigIntegerField(default=0)
    friend_points = models.BigIntegerField(default=0)
    refusal = models.CharField(max_length=40, blank=True)
    claimed_by = models.CharField(max_length=150, blank=True)
    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    qualified_at = models.DateTimeField(null=True)
    activates_at = models.DateTimeField(null=True)
    rewarded_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            # The friend first, like the code of a customer: see there.
            models.UniqueConstraint(
                fields=["friend", "merchant"], name="a_friend_is_brought_once_per_merchant"
            ),
            models.CheckConstraint(
                condition=~models.Q(referrer=models.F("friend")), name="nobody_brings_themselves"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="referrals_by_merchant"),
            models.Index(fields=["referrer", "qualified_at"], name="referrals_by_referrer"),
            models.Index(
                fields=["purchase_id"],
                name="referrals_by_purchase",
                condition=models.Q(purchase_id__isnull=False),
            ),
            models.Index(
                fields=["merchant", "expires_at"],
                name="referrals_open",
                condition=models.Q(state="joined"),
            ),
            models.Index(
                fields=["activates_at"], name="referrals_pending", condition=models.Q(state="qualified")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.get_state_display()}"


class Sighting(Row):
    """
    A device or network address a customer was seen with, as a keyed hash: kept only to find people who
    refer themselves.
    """

    class Kind(models.TextChoices):
        DEVICE = "device", _("Device")
        ADDRESS = "address", _("Network address")

    prefix = "sgt"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    digest = models.CharField(max_length=64)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "kind", "digest"], name="a_sighting_is_kept_once_per_customer"
            )
        ]
        indexes = [models.Index(fields=["seen_at"], name="sightings_by_time")]

    def __str__(self) -> str:
        return self.get_kind_display()
