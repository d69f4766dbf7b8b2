from fractions import Fraction
from typing import Annotated

from pydantic import Field

from loyalty.earning import base

Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
Minor = Annotated[int, Field(gt=0, le=1_000_000_000)]


class PerAmount(base.Rule):
    """Points for money spent, as an exact rate per currency; the whole sale is rounded once."""

    kind = "per_amount"
    label = "Points per amount spent"
    role = "base"

    class Params(base.Params):
        points: base.Points = Field(1, description="So many points...")
        per_minor: dict[Currency, Minor] = Field(description="...for so much money (in cents), by currency.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, PerAmount.Params)
        per = params.per_minor.get(basket.currency)
        return base.exact(params.points, per) if per else None
