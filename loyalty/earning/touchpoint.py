from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class OnTouchpoint(base.Rule):
    """Points for something the customer did, told as a touchpoint: a review, a visit to the app."""

    kind = "touchpoint"
    label = "Points for a touchpoint"
    role = "event"
    qualifies = False

    class Params(base.Params):
        points: base.Points = Field(description="Points each time.")
        touchpoint: base.Code = Field(description="The kind of touchpoint, like review.posted.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, OnTouchpoint.Params)
        return Fraction(params.points)
