"""The trigger `reward_affordable`: points have just become enough for a reward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from customers import segments
from loyalty import balances, programs
from merchants.models import Merchant
from rewards import catalogue
from rewards.models import Reward

KINDS = (
    *("purchase.recorded", "points.activated", "points.adjusted", "points.reinstated"),
    *("bonus.given", "referral.rewarded"),
)


@dataclass(slots=True)
class Enough:
    """Looks once per chunk: the balances of all who were heard of, and what is on offer."""

    merchant: Merchant
    at: datetime
    _balances: Mapping[int, Mapping[str, Any]] | None = None
    _rewards: Sequence[Reward] = ()
    _segments: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def newly(
        self, customer_id: int, data: Mapping[str, Any], *, among: Sequence[int]
    ) -> tuple[str, dict[str, Any]]:
        """
        Return (key, data) of the dearest reward that the points just gained made affordable; an empty key
        for none. Who could afford it before is not told again.
        """
        gained = data.get("points")
        if not isinstance(gained, int) or gained <= 0:
            return "", {}
        if self._balances is None:
            self._look(among)
        balance = (self._balances or {}).get(customer_id)
        if balance is None:
            return "", {}
        has, tier = balance["available"], balance["tier"]["name"] or ""
        within = [
            reward
            for reward in self._rewards
            if has - gained < reward.cost <= has
            and catalogue.is_for(reward, tier=tier, segments=self._segments.get(customer_id, frozenset()))
        ]
        if not within:
            return "", {}
        best = max(within, key=lambda reward: (reward.cost, -reward.pk))
        return best.code, {"reward": best.name, "cost": best.cost, "points": gained}

    def _look(self, among: Sequence[int]) -> None:
        try:
            on_offer = catalogue.on_offer(merchant=self.merchant, at=self.at).filter(cost__gt=0)
            self._rewards = [one for one in on_offer if one.stock is None or one.stock > 0]
            if any(reward.segments for reward in self._rewards):
                self._segments = segments.of_customers(
                    merchant_id=self.merchant.pk, customers=sorted(set(among))
                )
            self._balances = balances.of_many(
                merchant=self.merchant, customers=sorted(set(among)), at=self.at
            )
        except programs.NoProgram:
            self._balances = {}
