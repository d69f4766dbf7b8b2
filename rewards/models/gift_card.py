from django.db import models
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib.models import Row
from merchants.models import Merchant


class GiftCard(Row):
    """
    Money that was paid in advance, for whoever shows the code.

    `balance_minor` is the sum of the entries, kept here so that a charge needs one lock and no sum.
    `paid_minor` is what the card was bought with: the balance never exceeds it. `sealed_code` is kept until
    the first charge, so that a till which lost the answer to its sale can ask again.
    """

    prefix = "gft"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(
        Customer, models.PROTECT, null=True, blank=True, related_name="gift_cards", db_index=False
    )
    digest = models.CharField(max_length=64)
    sealed_code = models.TextField(blank=True)
    last_four = models.CharField(max_length=4)
    currency = models.CharField(max_length=3)
    paid_minor = models.BigIntegerField()
    balance_minor = models.BigIntegerField()
    sequence = models.IntegerField(default=1)  # of the newest entry
    expires_at = models.DateTimeField(_("valid until"), null=True, blank=True)
    created_at = models.DateTimeField()
    by = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest", "merchant"], name="a_gift_card_code_is_unique"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_gift_card_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(balance_minor__gte=0), name="a_gift_card_is_never_below_nothing"
            ),
            models.CheckConstraint(
                condition=models.Q(balance_minor__lte=models.F("paid_minor")),
                name="a_gift_card_holds_no_more_than_was_paid",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "customer"], name="gift_cards_by_customer")]

    def __str__(self) -> str:
        return f"…{self.last_four}"


class GiftCardEntry(Row):
    """One movement of money on a card. `amount_minor` is signed: a charge is negative. Never changed."""

    class Kind(models.TextChoices):
        ISSUE = "issue", _("Bought")
        CHARGE = "charge", _("Paid with")
        REFUND = "refund", _("Given back")

    prefix = "gfe"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    card = models.ForeignKey(GiftCard, models.PROTECT, related_name="entries", db_index=False)
    sequence = models.IntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    amount_minor = models.BigIntegerField()
    balance_after_minor = models.BigIntegerField()
    source = models.CharField(max_length=60)
    reference = models.CharField(max_length=200)
    purchase_reference = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=120, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "card", "sequence"], name="gift_card_entries_follow_each_other"
            ),
            models.CheckConstraint(
                condition=models.Q(balance_after_minor__gte=0),
                name="a_gift_card_was_never_below_nothing",
            ),
        ]

    def __str__(self) -> str:
        return self.reference
