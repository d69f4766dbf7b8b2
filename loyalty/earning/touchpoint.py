from pydantic import Field

from loyalty.earning import base


class OnTouchpoint(base.Bonus):
    """Points for something the customer did, told as a touchpoint: a review, a visit to the app."""

    kind = "touchpoint"
    label = "Points for a touchpoint"
    role = "event"
    qualifies = False

    class Params(base.Bonus.Params):
        touchpoint: base.Code = Field(description="The kind of touchpoint, like review.posted.")
