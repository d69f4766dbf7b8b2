from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class Welcome(base.Rule):
    """Points for joining, once per contact: leaving and joining again gives nothing."""

    kind = "welcome"
    label = "Welcome"
    role = "event"
    qualifies = False

    class Params(base.Params):
        points: base.Points = Field(description="Points for joining.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, Welcome.Params)
        return Fraction(params.points)
