"""Rewards, as configured or as one customer sees them: read only."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from api import fields
from api.answers import Answer
from api.door import Door, call
from api.filters import Filters, PublicId
from api.reward_shapes import RewardOut
from lib import public_ids
from lib.errors import Fault, Malformed
from loyalty.models import Program
from rewards import catalogue
from rewards.catalogue import Offer, RewardNotAvailable
from rewards.models import Reward

SCOPES = ("customers:read", "purchases:write", "rewards:write")
CUSTOMERS = {
    "affordable_for": "A customer's id: only what this customer can redeem now.",
    "customer": "A customer's id: everything this customer may see, with what is missing.",
}

NOBODYS: Mapping[int, Offer] = MappingProxyType({})


class RewardFilters(Filters):
    program = PublicId(prefix="prg", field_name="program_id", label="The program's id")


class Rewards(Door):
    @call(
        scopes=SCOPES,
        answers={200: RewardOut},
        filters=RewardFilters,
        parameters=CUSTOMERS,
        orderings=("position", "cost", "id"),
    )
    def get(self) -> Answer:
        """
        List the rewards on offer.

        With `affordable_for` only those that the customer can redeem now, with `customer` all that the
        customer may see, each with what is missing.
        """
        program_id = self._program()
        said = self.request._request.GET
        rows = catalogue.on_offer(merchant=self.merchant, at=self.at, program_id=program_id)
        named = [name for name in CUSTOMERS if name in said]
        if not named:
            return self.listed(rows, shape=self._all_shown)
        if len(named) > 1:
            raise Malformed(
                "Say affordable_for or customer, not both.",
                faults=[Fault("/query/customer", "not_one", "say one of the two")],
            )
        offers = catalogue.offers(
            merchant=self.merchant,
            customer_id=fields.number("cus", said[named[0]], pointer=f"/query/{named[0]}"),
            at=self.at,
            program_id=program_id,
        )
        by_id = {one.reward.pk: one for one in offers if one.can_be_redeemed or named[0] == "customer"}
        return self.listed(rows.filter(pk__in=by_id), shape=lambda found: self._all_shown(found, by_id))

    def _program(self) -> int | None:
        said = self.request._request.GET.get("program")
        return fields.number("prg", said, pointer="/query/program") if said else None

    def _all_shown(
        self, rows: Sequence[Reward], offers: Mapping[int, Offer] = NOBODYS
    ) -> list[dict[str, Any]]:
        catalogue.count_lapsed(rows, at=self.at)
        return [self._shown(row, offers.get(row.pk)) for row in rows]

    def _shown(self, row: Reward, offer: Offer | None = None) -> dict[str, Any]:
        currency = self.merchant.currency
        return reward(row, currency=currency) if offer is None else shown_to(offer, currency=currency)


def shown_to(offer: Offer, *, currency: str) -> dict[str, Any]:
    """Return a reward as it is answered where a customer is named."""
    return reward(offer.reward, currency=currency) | {
        "can_be_redeemed": offer.can_be_redeemed,
        "missing_points": offer.missing_points,
        "reason": offer.refusal.code if offer.refusal else None,
        "detail": str(offer.refusal) if offer.refusal else None,
    }


def reward(row: Reward, *, currency: str) -> dict[str, Any]:
    """Return a reward as it is answered."""
    try:
        kind, params = catalogue.kind_of(row)
        worth = kind.worth(params, name=row.name, currency=currency)
    except RewardNotAvailable:
        worth = {"kind": row.kind, "name": row.name}
    return {
        "id": row.public_id,
        "code": row.code,
        "name": row.name,
        "description": row.description,
        "kind": row.kind,
        "cost": row.cost,
        "worth": worth,
        "stock": row.stock,
        "per_customer": row.per_customer,
        "per_day": row.per_day,
        "valid_days": row.valid_days,
        "tiers": row.tiers,
        "segments": row.segments,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "image_url": row.image_url or None,
        "program": public_ids.show(Program.prefix, row.program_id),
    }
