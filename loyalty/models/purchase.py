from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from loyalty.models.program import Program
from merchants.models import Merchant, Store


class Purchase(Row):
    """
    One sale as it was told, with what it earned and why.

    Amounts are minor units of `currency`. `basis_minor` is what earns (see docs/guides/points.md),
    `net_minor` the same without tax: what the sale was worth to the shop;
    `why` keeps the rules as they were, with the points of each line. The sums of what was refunded and
    clawed back grow with each refund and never pass what was paid and earned. `waits_for` is the
    identifier of an unmatched sale, as `type|source|normalized value`.
    """

    class Status(models.TextChoices):
        RECORDED = "recorded", _("Recorded")
        UNMATCHED = "unmatched", _("Waiting for its customer")
        VOIDED = "voided", _("Voided")

    prefix = "pur"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    program = models.ForeignKey(
        Program, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, related_name="purchases", db_constraint=False, db_index=False
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.RECORDED)
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField(null=True)
    merchandise_minor = models.BigIntegerField(default=0)
    basis_minor = models.BigIntegerField(default=0)
    net_minor = models.BigIntegerField(default=0)
    lines = models.JSONField(default=list)
    tenders = models.JSONField(default=list)
    waits_for = models.CharField(max_length=330, blank=True)
    store = models.ForeignKey(
        Store, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    till = models.CharField(max_length=60, blank=True)
    staff_ref = models.CharField(max_length=60, blank=True)
    channel = models.CharField(max_length=20, blank=True)
    basket = models.CharField(max_length=120, blank=True)
    tier = models.CharField(max_length=60, blank=True)
    points_earned = models.BigIntegerField(default=0)
    points_pending = models.BigIntegerField(default=0)
    activates_at = models.DateTimeField(null=True)
    why = models.JSONField(default=dict)
    refunded_minor = models.BigIntegerField(default=0)
    refunded_basis_minor = models.BigIntegerField(default=0)
    refunded_lines = models.JSONField(default=dict)
    clawed_back = models.BigIntegerField(default=0)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(refunded_minor__lte=models.F("amount_minor")),
                name="no_more_is_refunded_than_was_paid",
            ),
            models.CheckConstraint(
                condition=models.Q(clawed_back__lte=models.F("points_earned")),
                name="no_more_is_clawed_back_than_was_earned",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="purchases_by_merchant"),
            models.Index(fields=["merchant", "customer", "occurred_at"], name="purchases_by_customer"),
            models.Index(
                fields=["merchant", "waits_for"],
                name="purchases_unmatched",
                condition=models.Q(status="unmatched"),
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class Refund(Row):
    """One refund as it was told. Parked until its purchase is here."""

    class Status(models.TextChoices):
        APPLIED = "applied", _("Applied")
        PARKED = "parked", _("Waiting for its purchase")
        UNDONE = "undone", _("Undone")

    prefix = "ref"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, null=True, related_name="refunds")
    status = models.CharField(max_length=8, choices=Status)
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    purchase_reference = models.CharField(max_length=200, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    lines = models.JSONField(default=list)
    basis_minor = models.BigIntegerField(default=0)
    clawed_back = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0)
    written_off = models.BigIntegerField(default=0)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(
                fields=["merchant", "source", "purchase_reference"],
                name="refunds_parked",
                condition=models.Q(status="parked"),
            ),
            models.Index(fields=["merchant", "recorded_at"], name="refunds_by_time"),
        ]

    def __str__(self) -> str:
        return self.reference
