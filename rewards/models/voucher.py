from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant
from rewards.models.redemption import Redemption
from rewards.models.reward import Reward


class Voucher(Row):
    """
    A code that is worth something at a till.

    It is bound to a customer, or belongs to whoever shows it (`customer` empty). Found by `digest`, a keyed
    hash of the code; of a bearer's code nothing else is kept but its last four letters, a bound one is
    sealed in `sealed_code` so that its customer can see it again. `uses` is how often it may be used (empty:
    without end), `used` how often it was.
    """

    class Status(models.TextChoices):
        ISSUED = "issued", _("Can be used")
        RESERVED = "reserved", _("Reserved at a checkout")
        REDEEMED = "redeemed", _("Used")
        EXPIRED = "expired", _("Expired")
        CANCELLED = "cancelled", _("Cancelled")

    prefix = "vch"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, blank=True, related_name="vouchers", db_index=False
    )
    reward = models.ForeignKey(Reward, models.PROTECT, null=True, blank=True, related_name="+")
    redemption = models.OneToOneField(
        Redemption, models.PROTECT, null=True, blank=True, related_name="voucher"
    )
    digest = models.CharField(max_length=64)
    sealed_code = models.TextField(blank=True)
    last_four = models.CharField(max_length=4)
    name = models.CharField(max_length=120)
    worth = models.JSONField(default=dict)  # what it is worth: see rewards/kinds/base.py
    origin = models.CharField(max_length=20)  # redemption, perk, staff, pool
    reference = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.ISSUED)
    uses = models.IntegerField(_("uses"), null=True, blank=True, default=1)
    used = models.IntegerField(default=0)
    once_per_customer = models.BooleanField(_("once per customer"), default=False)
    starts_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True)
    created_at = models.DateTimeField()
    by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest", "merchant"], name="a_code_is_unique_per_merchant"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_voucher_is_keyed_by_merchant"),
            models.UniqueConstraint(
                fields=["merchant", "origin", "reference"],
                name="a_voucher_is_issued_once_per_reference",
                condition=~models.Q(reference=""),
            ),
            models.CheckConstraint(condition=models.Q(used__gte=0), name="uses_are_not_negative"),
            models.CheckConstraint(
                condition=models.Q(uses__isnull=True) | models.Q(used__lte=models.F("uses")),
                name="a_voucher_is_not_used_more_often_than_it_may",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "customer", "created_at"], name="vouchers_by_customer"),
            models.Index(
                fields=["expires_at"],
                name="vouchers_that_end",
                condition=models.Q(status__in=["issued", "reserved"], expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"


class VoucherUse(Row):
    """One use of a voucher, or the undoing of one (`undoes`). Never changed."""

    prefix = "vus"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="trail", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, null=True, related_name="+", db_index=False)
    undoes = models.OneToOneField("self", models.PROTECT, null=True, related_name="undone_by")
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    purchase_reference = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=120, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["merchant", "voucher", "id"], name="uses_of_a_voucher")]

    def __str__(self) -> str:
        return self.reference


class CodePool(Row):
    """Codes of another shop, to hand out one by one. Somebody is warned when fewer than `warns_below` are left."""

    prefix = "cpl"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    code = models.SlugField(_("id"), max_length=60, db_index=False)
    name = models.CharField(_("name"), max_length=120)
    warns_below = models.IntegerField(_("warn when fewer are left"), default=100)
    warned_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="a_pool_code_is_unique_per_merchant"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_pool_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return self.name


class PoolCode(Row):
    """
    One code of a pool. `voucher` is who got it; empty: still to be handed out.

    It is sealed here only until then; afterwards the voucher has it, and `digest` still knows the code again.
    """

    prefix = "pco"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    pool = models.ForeignKey(CodePool, models.PROTECT, related_name="codes", db_index=False)
    digest = models.CharField(max_length=64)
    sealed_code = models.TextField(blank=True)
    voucher = models.OneToOneField(Voucher, models.PROTECT, null=True, related_name="pool_code")
    expires_at = models.DateTimeField(null=True)
    handed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pool", "digest"], name="a_code_is_in_its_pool_once")]
        indexes = [
            models.Index(
                fields=["merchant", "pool", "id"],
                name="pool_codes_left",
                condition=models.Q(voucher__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.public_id
