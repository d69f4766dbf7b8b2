from loyalty.earning import base


class FixedBonus(base.Bonus):
    """Points on top of a sale that meets the conditions."""

    kind = "fixed_bonus"
    label = "Fixed bonus"
