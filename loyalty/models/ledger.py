from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from loyalty.models.membership import Membership
from merchants.models import Merchant

NEVER_NEGATIVE = ["active", "pending", "held", "debt"]


class Account(models.Model):
    """
    The row that is locked, with cached sums of the rows below it. One per membership, made at enrollment.

    `active` points are in open lots, `pending` ones wait for their date, `held` ones are part of `active`.
    `debt` is what the customer owes; it exists only when `active` is 0. `sequence` and `head` are the number
    and chain value of the last entry. `next_due_at` is the first time a lot activates or expires, or a live
    hold ends. While the customer is merged into another one (`is_merged`), nothing is booked here.
    """

    membership = models.OneToOneField(Membership, models.PROTECT, primary_key=True, related_name="+")
    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    active = models.BigIntegerField(default=0)
    pending = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    debt = models.BigIntegerField(default=0)
    lifetime_earned = models.BigIntegerField(default=0)
    purchases = models.IntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    head = models.CharField(max_length=32, default="")
    next_due_at = models.DateTimeField(null=True)
    active_at = models.DateTimeField(null=True)
    is_merged = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "membership"], name="an_account_is_keyed_by_merchant"
            ),
            *(
                models.CheckConstraint(
                    condition=models.Q(**{f"{name}__gte": 0}), name=f"{name}_is_not_negative"
                )
                for name in NEVER_NEGATIVE
            ),
            models.CheckConstraint(
                condition=models.Q(debt=0) | models.Q(active=0), name="debt_only_when_nothing_is_active"
            ),
            models.CheckConstraint(
                condition=models.Q(held__lte=models.F("active")), name="held_points_are_active_points"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_due_at"], name="accounts_due", condition=models.Q(next_due_at__isnull=False)
            )
        ]


class Entry(Row):
    """
    One movement of one account. Append-only: the database refuses UPDATE and DELETE.

    `points` is the effect on active - debt, `pending` the effect on pending. `lots` lists
    `[lot id, effect on its open part, effect on its pending part]`. `chain` is a keyed hash over the
    entry and the chain value before it.
    """

    class Kind(models.TextChoices):
        EARN = "earn", _("Earned")
        BONUS = "bonus", _("Bonus")
        ACTIVATE = "activate", _("Became usable")
        REDEEM = "redeem", _("Redeemed")
        REFUND = "refund", _("Given back")
        CLAWBACK = "clawback", _("Taken back after a refund")
        RETURN = "return", _("Returned")
        ADJUST = "adjust", _("Adjusted by staff")
        EXPIRE = "expire", _("Expired")
        EXTEND = "extend", _("Extended")
        REINSTATE = "reinstate", _("Reinstated")
        WRITE_OFF = "write_off", _("Written off")
        TRANSFER_IN = "transfer_in", _("Received")
        TRANSFER_OUT = "transfer_out", _("Sent")
        MERGE_IN = "merge_in", _("Merged in")
        MERGE_OUT = "merge_out", _("Merged out")
        HOLD_CAPTURE = "hold_capture", _("Reserved points used")

    prefix = "ent"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="entries", db_constraint=False, db_index=False
    )
    sequence = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    points = models.BigIntegerField()
    pending = models.BigIntegerField(default=0)
    balance_after = models.BigIntegerField()
    purchase_id = models.BigIntegerField(null=True)
    reference = models.CharField(max_length=200, blank=True)
    reason = models.JSONField(default=dict)
    lots = models.JSONField(default=list)
    by = models.CharField(max_length=150, blank=True)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    chain = models.CharField(max_length=32)

    class Meta:
        verbose_name_plural = _("entries")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "account", "sequence"], name="entries_of_an_account_are_numbered"
            )
        ]
        indexes = [
            models.Index(
                fields=["merchant", "purchase_id"],
                name="entries_by_purchase",
                condition=models.Q(purchase_id__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.points:+}"


class Lot(Row):
    """A batch of points with one expiry: pending until it activates, then open until used up or expired."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    prefix = "lot"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="lots", db_constraint=False, db_index=False
    )
    purchase_id = models.BigIntegerField(null=True)
    state = models.CharField(max_length=8, choices=State)
    points = models.BigIntegerField()
    remaining = models.BigIntegerField()
    rule = models.CharField(max_length=60, blank=True)
    earned_at = models.DateTimeField()
    activates_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(remaining__gte=0) & models.Q(remaining__lte=models.F("points")),
                name="a_lot_holds_no_more_than_it_began_with",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="closed") | models.Q(remaining=0), name="a_closed_lot_is_empty"
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "account", "expires_at"],
                name="lots_not_closed",
                condition=~models.Q(state="closed"),
            ),
            models.Index(
                fields=["merchant", "purchase_id"],
                name="lots_by_purchase",
                condition=models.Q(purchase_id__isnull=False),
            ),
        ]


class Hold(Row):
    """
    Points set aside for a checkout. A live one is `active`; past `expires_at` it is free also before a job
    has written that down.

    `captured` points were used, by the entry `entry_id`; `returned` of them came back with refunds.
    `purpose` says what for, where another room holds points for something of its own. `ttl_seconds` is
    the life that was asked for.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        CAPTURED = "captured", _("Used")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")

    prefix = "hld"

    merchant = models.ForeignKey(
        Merchant, models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="holds", db_constraint=False, db_index=False
    )
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status)
    points = models.BigIntegerField()
    captured = models.BigIntegerField(default=0)
    returned = models.BigIntegerField(default=0)
    purpose = models.JSONField(default=dict)
    purchase_reference = models.CharField(max_length=200, blank=True)
    entry_id = models.BigIntegerField(null=True)
    ttl_seconds = models.IntegerField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(captured__gte=0) & models.Q(captured__lte=models.F("points")),
                name="no_more_is_captured_than_was_held",
            ),
            models.CheckConstraint(
                condition=models.Q(returned__gte=0) & models.Q(returned__lte=models.F("captured")),
                name="no_more_is_returned_than_was_captured",
            ),
            models.CheckConstraint(
                condition=models.Q(status="captured") | models.Q(captured=0),
                name="only_a_captured_hold_has_captured_points",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "account"], name="holds_live", condition=models.Q(status="active")
            ),
        ]

    def __str__(self) -> str:
        return self.reference
