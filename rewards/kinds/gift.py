from django.utils.translation import gettext_lazy as _

from rewards.kinds.base import Kind


class Gift(Kind):
    """Goods that staff hand over: the redemption waits in a list until they did."""

    kind, label = "gift", _("Gift")
    needs_handing_over = True
