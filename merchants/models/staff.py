from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from lib import public_ids
from lib.models import Row
from merchants.models.merchant import Merchant, Store


class Staff(AbstractUser):
    """Somebody who signs in to the admin. What they may do hangs from their roles, one per merchant."""

    prefix: ClassVar[str] = "stf"

    id = models.BigIntegerField(primary_key=True, default=public_ids.new, editable=False)

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")


class Role(Row):
    """
    What one staff member may do at one merchant.

    Owner: everything, staff and keys too. Manager: program, customers, corrections. Cashier: look up and
    enroll customers. Analyst: read everything, change nothing.
    """

    class Kind(models.TextChoices):
        OWNER = "owner", _("Owner")
        MANAGER = "manager", _("Manager")
        CASHIER = "cashier", _("Cashier")
        ANALYST = "analyst", _("Analyst")

    prefix = "rol"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="roles", db_index=False)
    staff = models.ForeignKey(Staff, models.CASCADE, related_name="roles")
    kind = models.CharField(max_length=10, choices=Kind)
    store = models.ForeignKey(Store, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "staff"], name="one_role_per_staff_and_merchant")
        ]

    def __str__(self) -> str:
        return f"{self.staff}: {self.get_kind_display()}"
