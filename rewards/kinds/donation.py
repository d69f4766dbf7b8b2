from django.utils.translation import gettext_lazy as _
from pydantic import Field

from rewards.kinds.base import Kind, Params, Text


class DonationParams(Params):
    recipient: Text = Field("", description="Who gets it.")


class Donation(Kind):
    """The points become a gift to a good cause, at once."""

    kind, label = "donation", _("Donation")
    Params = DonationParams
