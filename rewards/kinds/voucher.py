from django.utils.translation import gettext_lazy as _

from rewards.kinds.base import Kind


class PlainVoucher(Kind):
    """A voucher for what its name says, like Free espresso."""

    kind, label = "voucher", _("Voucher")
    makes_voucher = True
