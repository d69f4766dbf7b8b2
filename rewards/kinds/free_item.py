from django.utils.translation import gettext_lazy as _
from pydantic import Field

from rewards.kinds.base import Code, Kind, Params


class FreeItemParams(Params):
    skus: tuple[Code, ...] = Field((), description="Which goods are free: their article numbers.")
    categories: tuple[Code, ...] = Field((), description="Or goods of these categories.")


class FreeItem(Kind):
    """A voucher for one item for nothing."""

    kind, label = "free_item", _("Free item")
    makes_voucher = True
    Params = FreeItemParams
