from loyalty.earning import base


class FirstPurchase(base.Bonus):
    """A bonus on a customer's first purchase."""

    kind = "first_purchase"
    label = "First purchase"

    def why_not(self, basket: base.Basket, params: base.Params) -> str | None:
        return "not_the_first_purchase" if basket.purchases_before else None
