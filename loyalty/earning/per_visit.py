from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class PerVisit(base.Rule):
    """Points for coming by, whatever was spent; cap it per day so that splitting a bill gains nothing."""

    kind = "per_visit"
    label = "Points per visit"
    role = "bonus"

    class Params(base.Params):
        points: base.Points = Field(description="Points for each visit.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, PerVisit.Params)
        return Fraction(params.points)
