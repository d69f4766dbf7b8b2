from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class FixedBonus(base.Rule):
    """A number of points on top of a sale that meets the conditions."""

    kind = "fixed_bonus"
    label = "Fixed bonus"
    role = "bonus"

    class Params(base.Params):
        points: base.Points = Field(description="Points on top.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, FixedBonus.Params)
        return Fraction(params.points)
