from django.db import models
from django.utils.translation import gettext_lazy as _

from lib.models import Row
from loyalty.models import Program
from merchants.models import Merchant


class Reward(Row):
    """
    Something points buy.

    `kind` names a file of `rewards/kinds`, which reads `params`. `cost` is in points, of points as payment
    the points of one step. `stock` is what is left, empty without an end; it falls by a conditional update,
    never below 0. `stock_total` is how many there ever were, the number that people tell. `per_customer`
    and `per_day` cap redemptions. `tiers` and `segments` list who may see it; an empty list means
    everybody. `ends_at` is exclusive.
    """

    prefix = "rwd"

    merchant = models.ForeignKey(Merchant, models.PROTECT, related_name="+", db_index=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="rewards", db_index=False)
    code = models.SlugField(_("id"), max_length=60, db_index=False)
    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), max_length=2000, blank=True)
    kind = models.CharField(_("kind"), max_length=30)
    params = models.JSONField(default=dict, blank=True)
    cost = models.BigIntegerField(_("cost in points"))
    stock = models.BigIntegerField(_("stock left"), null=True, blank=True)
    stock_total = models.BigIntegerField(_("stock in all"), null=True, blank=True)
    per_customer = models.IntegerField(_("at most per customer"), null=True, blank=True)
    per_day = models.IntegerField(_("at most per day"), null=True, blank=True)
    valid_days = models.IntegerField(_("days a voucher is valid"), null=True, blank=True)
    tiers = models.JSONField(_("only for these tiers"), default=list, blank=True)
    segments = models.JSONField(_("only for these segments"), default=list, blank=True)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    image_url = models.URLField(_("picture"), max_length=500, blank=True)
    position = models.IntegerField(_("place in the list"), default=0)
    is_active = models.BooleanField(_("can be redeemed"), default=True)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        ordering = ["position", "cost", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="a_reward_code_is_unique_per_program"),
            models.UniqueConstraint(fields=["merchant", "id"], name="a_reward_is_keyed_by_merchant"),
            models.CheckConstraint(
                condition=models.Q(cost__gte=0), name="a_reward_costs_no_less_than_nothing"
            ),
            models.CheckConstraint(
                condition=models.Q(stock__isnull=True) | models.Q(stock__gte=0), name="stock_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name
