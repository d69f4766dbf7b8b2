from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class FirstPurchase(base.Rule):
    """A bonus on a customer's first purchase."""

    kind = "first_purchase"
    label = "First purchase"
    role = "bonus"

    class Params(base.Params):
        points: base.Points = Field(description="Points on the first purchase.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, FirstPurchase.Params)
        return Fraction(params.points)

    def why_not(self, basket: base.Basket, params: base.Params) -> str | None:
        return "not_the_first_purchase" if basket.purchases_before else None
