from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from merchants.models import Merchant
from merchants.models.merchant import validate_timezone


class Customer(Row):
    """One person at one merchant."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        BLOCKED = "blocked", _("Blocked")
        MERGED = "merged", _("Merged")
        ERASED = "erased", _("Erased")

    prefix = "cus"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="customers", db_index=False)
    name = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged_from", editable=False
    )
    birthday = models.CharField(
        max_length=5,
        blank=True,
        validators=[
            RegexValidator(r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", _("Month and day: 05-31."))
        ],
        help_text=_("Month and day only, like 05-31."),
    )
    birthday_set_at = models.DateTimeField(null=True, blank=True, editable=False)
    language = models.CharField(max_length=10, blank=True)
    timezone = models.CharField(
        max_length=60, blank=True, default="", db_default="", validators=[validate_timezone]
    )
    referral_code = models.CharField(max_length=12, editable=False)
    created_at = models.DateTimeField(editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "id"], name="a_customer_is_keyed_by_merchant"),
            # The code first: of two indexes that begin with the merchant, PostgreSQL may take either to check
            # that a row's customer is there, as long as it has no statistics, and one of them reads all of
            # the merchant's customers each time (measured: a second for a thousand identifiers).
            models.UniqueConstraint(
                fields=["referral_code", "merchant"], name="a_referral_code_is_unique_per_merchant"
            ),
            models.CheckConstraint(
                condition=models.Q(status="merged", merged_into__isnull=False)
                | (~models.Q(status="merged") & models.Q(merged_into__isnull=True)),
                name="only_a_merged_customer_names_its_target",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-created_at", "id"], name="customers_by_enrollment")]

    def __str__(self) -> str:
        return self.name or self.public_id


class Identifier(Row):
    """
    One way to recognize a customer.

    `value` is normalized (see `customers.identifiers`); `source` names the other system of an external id
    and is empty for the rest. An identifier somebody merely typed has no `verified_at` and matches nothing
    at a door that must be sure; one given by a till or proved by a code is verified.
    """

    class Type(models.TextChoices):
        EMAIL = "email", _("E-mail")
        PHONE = "phone", _("Phone")
        CARD = "card", _("Card")
        EXTERNAL = "external_id", _("External id")

    prefix = "idn"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="identifiers")
    type = models.CharField(max_length=12, choices=Type)
    source = models.CharField(max_length=60, blank=True, default="")
    value = models.CharField(max_length=254)
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "type", "source", "value"], name="an_identifier_is_unique_per_merchant"
            )
        ]
        indexes = [models.Index(fields=["merchant", "value"], name="identifiers_by_value")]

    def __str__(self) -> str:
        return f"{self.get_type_display()} {self.value}"
