from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant

FACES = ["🙂", "🤩", "😋", "🥐", "☕", "🌱", "🧳", "👪", "🎓", "🧓", "🛍️", "💎", "🔁", "⏳", "💤", "👋"]


class Segment(Row):
    """
    A group of customers that a rule describes; with `is_persona` it is also a person the shop thinks of.

    `rule` is a tree of conditions (see `customers/segment_rules.py`). `members` is how many there were when
    it was last counted in full, at `refreshed_at`, in `seconds`. `changed_at` is when the rule was last
    edited; `leased_until` says that somebody refreshes it now.
    """

    prefix = "seg"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="segments", db_index=False)
    code = models.SlugField(_("id"), max_length=60, db_index=False)
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    rule = models.JSONField(_("rule"), default=dict)
    is_persona = models.BooleanField(_("is a persona"), default=False)
    face = models.CharField(_("face"), max_length=8, blank=True, choices=[(face, face) for face in FACES])
    is_active = models.BooleanField(_("is kept up to date"), default=True)
    members = models.IntegerField(_("customers"), default=0, editable=False)
    changed_at = models.DateTimeField(editable=False)
    refreshed_at = models.DateTimeField(_("last counted"), null=True, editable=False)
    seconds = models.FloatField(default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    history = HistoricalRecords(
        excluded_fields=["members", "changed_at", "refreshed_at", "seconds", "leased_until"]
    )

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="a_segment_id_is_unique_per_merchant"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_segment_is_keyed_by_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.face} {self.name}".strip()


class SegmentMember(models.Model):
    """That one customer is in one segment now. Written by `customers.segments` only."""

    pk = models.CompositePrimaryKey("merchant_id", "segment_id", "customer_id")
    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="entered", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="segments", db_index=False)
    entered_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["customer", "segment"], name="segments_of_a_customer")]


class Watermark(models.Model):
    """
    How far the diary was read, by id of touchpoint. Its row is the lock of whoever reads.

    `fresh` follows at once; `settled` follows a minute later and finds what was committed late.
    """

    name = models.CharField(max_length=40, primary_key=True)
    fresh = models.BigIntegerField(default=0)
    settled = models.BigIntegerField(default=0)
