"""What a customer may like: rewards that can be had, or almost, and products."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from api.answers import Answer
from api.customers import own
from api.door import Door, call
from api.reward_shapes import RewardOut
from api.rewards import shown_to
from insights import recommendations


class ProductOut(BaseModel):
    sku: str
    name: str


class RecommendationsOut(BaseModel):
    """Best first. Empty with `as_of` null: nothing was made yet, as for whoever joined today."""

    rewards: list[RewardOut] = Field(description="What can be redeemed now, then what is almost affordable.")
    products: list[ProductOut] = Field(description="What the customer has not bought in a year.")
    as_of: datetime | None


class Recommendations(Door):
    @call(scopes=("customers:read",), answers={200: RecommendationsOut})
    def get(self, customer: str) -> Answer:
        """Read what a customer may like. The order is made every night; stock and points are of now."""
        mine = own(self, customer)
        made = recommendations.of(merchant=self.merchant, customer_id=mine.pk)
        offers = recommendations.rewards_for(merchant=self.merchant, customer_id=mine.pk, at=self.at)
        body: dict[str, Any] = {
            "rewards": [shown_to(offer, currency=self.merchant.currency) for offer in offers],
            "products": [{"sku": sku, "name": name} for sku, name in made.products] if made else [],
            "as_of": made.made_at if made else None,
        }
        return Answer(200, body)
