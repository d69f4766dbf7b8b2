from fractions import Fraction

from pydantic import Field

from loyalty.earning import base


class Birthday(base.Rule):
    """Points on the birthday, once a year."""

    kind = "birthday"
    label = "Birthday"
    role = "event"
    qualifies = False

    class Params(base.Params):
        points: base.Points = Field(description="Points on the birthday.")

    def worth(self, basket: base.Basket, params: base.Params) -> Fraction | None:
        assert isinstance(params, Birthday.Params)
        return Fraction(params.points)
