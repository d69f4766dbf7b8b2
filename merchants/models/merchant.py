from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from lib import money, public_ids
from lib.models import Row


def validate_currency(code: str) -> None:
    if not money.is_known(code):
        raise ValidationError(
            _("%(code)s is not an ISO 4217 currency code, like EUR."), params={"code": code}
        )


def validate_timezone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(
            _("%(name)s is not a time zone name, like Europe/Lisbon."), params={"name": name}
        )


class Merchant(Row):
    """One business: the tenant. A `is_test` merchant is a sandbox that reaches no real person."""

    prefix = "mer"

    slug = models.SlugField(max_length=60, unique=True, help_text=_("Short name in addresses: cafe-mira."))
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, validators=[validate_currency])
    timezone = models.CharField(max_length=60, default="UTC", validators=[validate_timezone])
    country = models.CharField(
        max_length=2, validators=[RegexValidator(r"^[A-Z]{2}$", _("Two capital letters, like PT."))]
    )
    language = models.CharField(max_length=10, default="en")
    color = models.CharField(
        max_length=7,
        default="#1f5f4a",
        validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", _("A color like #1f5f4a."))],
        help_text=_("The portal's main color."),
    )
    is_test = models.BooleanField(
        _("sandbox"), default=False, help_text=_("A sandbox never reaches a real person.")
    )
    is_active = models.BooleanField(default=True)
    config_version = models.BigIntegerField(default=public_ids.new, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Store(Row):
    """One shop of a merchant. `code` is the name that tills send."""

    prefix = "sto"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="stores", db_index=False)
    code = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="a_store_code_is_unique_per_merchant")
        ]

    def __str__(self) -> str:
        return self.name
