from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from loyalty.models.program import Program
from merchants.models import Merchant


class Household(Row):
    """
    People who share points. The pool is an account like any other, of a customer who is nobody: `holder`
    has no identifier and the status `household`, so lots, locks and proof need nothing new.
    """

    prefix = "hsh"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    holder = models.OneToOneField(Customer, models.PROTECT, related_name="household")
    name = models.CharField(_("name"), max_length=120, blank=True)
    reference = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_household_is_keyed_by_merchant"),
            models.UniqueConstraint(
                fields=["merchant", "reference"], name="a_household_is_made_once_per_reference"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.public_id


class HouseholdMember(Row):
    """
    A customer's place in a household: asked (`joined_at` empty), in it, or out of it again (`left_at`).

    `agreed` says where the yes was given: nobody is in a household without their own.
    """

    class Agreed(models.TextChoices):
        TILL = "till", _("At the till")
        PORTAL = "portal", _("In the portal")

    prefix = "hsm"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    household = models.ForeignKey(Household, models.PROTECT, related_name="members", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    joined_at = models.DateTimeField(null=True)
    agreed = models.CharField(max_length=6, choices=Agreed, blank=True)
    left_at = models.DateTimeField(null=True)
    by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer"],
                name="a_customer_is_in_one_household",
                condition=models.Q(joined_at__isnull=False, left_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["merchant", "household", "customer"],
                name="a_household_has_each_customer_once",
                condition=models.Q(left_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=models.Q(joined_at=None) ^ ~models.Q(agreed=""),
                name="nobody_is_in_a_household_without_a_yes",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "customer"], name="places_by_customer")]

    def __str__(self) -> str:
        return f"{self.customer} · {self.household}"
