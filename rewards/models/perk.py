from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from loyalty.models import Membership
from merchants.models import Merchant
from rewards.models.redemption import Redemption


class PerkGrant(Row):
    """
    What reaching a level gave: points, or a reward without its cost (`redemption`).

    `reference` makes it unique: the perk and how often it came back before, of one that is given each time
    the tier change that gave it. `is_by_figure` tells a level that was reached from one that staff gave: only
    the former is undone by a refund. `taken` is how many of the points came back.
    """

    class Status(models.TextChoices):
        GIVEN = "given", _("Given")
        MISSED = "missed", _("Could not be given")
        TAKEN_BACK = "taken_back", _("Taken back")
        KEPT = "kept", _("Used before the level was undone")

    prefix = "pkg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="perk_grants", db_index=False)
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+", db_index=False)
    perk = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=120)  # as it was then, and the tier's too
    tier = models.CharField(max_length=60)
    metric = models.CharField(max_length=14)  # of the tiers then, and the figure that reached this one
    tier_at = models.BigIntegerField()
    points = models.BigIntegerField(default=0)
    taken = models.BigIntegerField(default=0)
    redemption = models.OneToOneField(
        Redemption, models.PROTECT, null=True, blank=True, related_name="perk_grant"
    )
    is_by_figure = models.BooleanField(default=False)
    status = models.CharField(max_length=10, choices=Status)
    note = models.CharField(max_length=300, blank=True)  # why it could not be given
    reference = models.CharField(max_length=120)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("gift of a tier")
        verbose_name_plural = _("gifts of tiers")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "membership", "reference"], name="a_perk_is_given_once_per_reference"
            ),
            models.CheckConstraint(
                condition=models.Q(taken__gte=0) & models.Q(taken__lte=models.F("points")),
                name="no_more_comes_back_than_a_perk_gave",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "customer", "perk"], name="perk_grants_by_customer")]

    def __str__(self) -> str:
        return f"{self.name} ({self.tier})"


class PerkUse(Row):
    """One use of a benefit, or the undoing of one (`undoes`). Never changed."""

    prefix = "pku"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="perk_uses", db_index=False)
    membership = models.ForeignKey(Membership, models.PROTECT, related_name="+", db_index=False)
    perk = models.CharField(max_length=60)
    name = models.CharField(max_length=120)  # as it was then, and the tier's too
    tier = models.CharField(max_length=60)
    undoes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="undone_by")
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    by = models.CharField(max_length=150, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name = _("use of a benefit")
        verbose_name_plural = _("uses of benefits")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "source", "reference"],
                name="a_perk_is_used_once_per_reference",
                condition=models.Q(undoes=None),
            )
        ]
        indexes = [
            models.Index(fields=["merchant", "customer", "perk", "occurred_at"], name="perk_uses_by_customer")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.reference})"
