"""Rewards on the customer's page: what was redeemed, newest first."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.admin.panels import KINDS, PANELS, Panel
from customers.models import Customer
from rewards.models import Redemption

KINDS |= {
    "reward.redeemed": _("Reward redeemed"),
    "redemption.cancelled": _("Reward given back"),
    "redemption.fulfilled": _("Reward handed over"),
    "perk.given": _("Given on reaching a tier"),
    "perk.taken_back": _("Taken back: a refund undid the tier"),
    "perk.used": _("Benefit used"),
    "perk.rolled_back": _("Use of a benefit undone"),
    "redemption.failed": _("Reward could not be handed over"),
}


def _rows(customer: Customer, start: int, stop: int) -> list[Any]:
    rows = Redemption.objects.filter(merchant=customer.merchant_id, customer=customer)
    return list(rows.order_by("-recorded_at", "-pk")[start:stop])


PANELS.append(
    Panel(
        "redemptions",
        _("Rewards"),
        "admin/rewards/customer/redemptions.html",
        "rewards.view_redemption",
        order=35,
        rows=_rows,
        empty=_("Nothing was redeemed yet."),
    )
)
