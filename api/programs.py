"""Programs and tiers, as configured: read only."""

from typing import Any

from api.answers import Answer
from api.door import Door, call
from api.filters import Filters, PublicId
from api.shapes import ProgramOut, TierOut
from lib import public_ids
from loyalty.earning import RULES
from loyalty.models import Program, Tier

SCOPES = ("customers:read", "purchases:write")


class TierFilters(Filters):
    program = PublicId(prefix="prg", field_name="tier_set__program_id", label="The program's id")


class Programs(Door):
    @call(scopes=SCOPES, answers={200: ProgramOut}, orderings=("id",))
    def get(self) -> Answer:
        """List programs, the first one is the default."""
        rows = Program.objects.filter(merchant=self.merchant, is_active=True)
        return self.listed(rows.prefetch_related("rules", "versions", "tier_sets__tiers"), shape=self._shown)

    def _shown(self, rows: list[Program]) -> list[dict[str, Any]]:
        return [program(row, currency=self.merchant.currency) for row in rows]


class Tiers(Door):
    @call(scopes=SCOPES, answers={200: TierOut}, filters=TierFilters, orderings=("at",))
    def get(self) -> Answer:
        """List the levels in force, lowest first."""
        rows = Tier.objects.filter(merchant=self.merchant, tier_set__status="live").select_related("tier_set")
        return self.listed(
            rows.filter(tier_set__program__is_active=True), shape=lambda rows: [tier(row) for row in rows]
        )


def program(row: Program, *, currency: str) -> dict[str, Any]:
    """Return a program as it is answered."""
    live = next((one for one in row.tier_sets.all() if one.status == "live"), None)
    levels = sorted(live.tiers.all(), key=lambda level: level.at) if live else []
    return {
        "id": row.public_id,
        "name": row.name,
        "points_name": row.points_name,
        "currency": currency,
        "version": max((version.number for version in row.versions.all()), default=0),
        "rounding": row.rounding,
        "earns_on": {"tax": row.tax},
        "expiry": {
            "mode": row.expiry_mode,
            "months": row.expiry_months,
            "round_to": row.expiry_round_to or None,
            "day": row.expiry_day or None,
        },
        "refunds": {
            "policy": row.refund_policy,
            "min_days_left": row.refund_min_days_left,
            "return_days": row.refund_return_days,
        },
        "earning": [
            {
                "id": rule.code,
                "kind": rule.kind,
                "label": str(RULES[rule.kind].label) if rule.kind in RULES else rule.kind,
                "params": rule.params,
            }
            for rule in row.rules.all()
            if rule.is_active
        ],
        "tiers": [level.name for level in levels],
    }


def tier(row: Tier) -> dict[str, Any]:
    """Return a level as it is answered. `at` is in the unit of `metric`."""
    return {
        "id": row.public_id,
        "name": row.name,
        "at": row.at,
        "multiplier": f"{row.multiplier.normalize():f}",
        "metric": row.tier_set.metric,
        "program": public_ids.show(Program.prefix, row.tier_set.program_id),
        "perks": row.perks,
    }
