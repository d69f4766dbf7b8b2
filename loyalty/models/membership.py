from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from loyalty.models.program import Program
from merchants.models import Merchant


class Membership(Row):
    """
    One customer in one program, with the tier.

    `tier` is the level's name (levels are versioned, names are what people know). `tier_until` is the
    check date: until then nothing lowers the tier. A tier set by hand has author, reason and end.
    """

    prefix = "mem"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="memberships")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="memberships")
    tier = models.CharField(max_length=60, blank=True)
    tier_since = models.DateTimeField(null=True, editable=False)
    tier_until = models.DateTimeField(null=True, editable=False, db_index=True)
    is_manual = models.BooleanField(default=False, editable=False)
    warned_days = models.PositiveSmallIntegerField(default=0, editable=False)
    joined_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "program"], name="one_membership_per_customer_and_program"
            ),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_membership_is_keyed_by_merchant"),
        ]
        indexes = [models.Index(fields=["merchant", "program", "tier"], name="memberships_by_tier")]

    def __str__(self) -> str:
        return f"{self.customer} · {self.tier or _('no tier')}"


class TierChange(Row):
    """One move between levels, with the figures it was decided on. Append-only."""

    prefix = "tch"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="tier_changes", db_index=False)
    from_tier = models.CharField(max_length=60, blank=True)
    to_tier = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=200)
    figures = models.JSONField(default=dict)
    by = models.CharField(max_length=150, blank=True)
    at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["membership", "-at"], name="tier_changes_newest_first")]

    def __str__(self) -> str:
        return f"{self.from_tier or '–'} → {self.to_tier or '–'}"
