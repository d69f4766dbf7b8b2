from decimal import Decimal
from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class Multiplier(base.Rule):
    """Multiplies the points of the lines it matches; several multiply each other."""

    kind = "multiplier"
    label = "Multiplied points"
    role = "multiplier"

    class Params(base.Params):
        factor: Decimal = Field(gt=0, le=100, description="2 doubles the points.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, Multiplier.Params)
        return base.exact(params.factor)
