"""
Points and standing.

Configuration: a `Program` has earning rules (`EarningRule`) and sets of tiers (`TierSet`, `Tier`), of
which one is live. Every publish writes a `ProgramVersion`, the whole program as one document; sales are
judged by the version of their own time. Standing: a `Membership` is one customer in one program with the
tier; each move is a `TierChange` with the figures used. Facts: `Purchase` and `Refund` as they were told,
`Reference` so that nothing is counted twice, `CustomerDay` sums per membership and local day (tiers
read them), `RevenueDay` what a customer was worth on a day and `RfmScore` what follows from it (segments and
insight read them), `RuleCount` for caps. A `Merge` keeps what joining two customers moved,
to undo it. A `Household` shares the points of one account among its `HouseholdMember`s. The points
themselves are in `loyalty.models.ledger`, private to `loyalty/ledger`: `Account` (the row that is
locked), `Entry` (append-only), `Lot` (points with one expiry).
"""

from loyalty.models import ledger as ledger  # registered, not re-exported: see loyalty/ledger.py
from loyalty.models.household import Household, HouseholdMember
from loyalty.models.membership import Membership, TierChange
from loyalty.models.merge import Merge
from loyalty.models.program import EarningRule, Program, ProgramVersion, Tier, TierSet
from loyalty.models.purchase import Purchase, Refund
from loyalty.models.tally import CustomerDay, Reference, RevenueDay, RfmScore, RuleCount

__all__ = [
    "CustomerDay",
    "EarningRule",
    "Household",
    "HouseholdMember",
    "Membership",
    "Merge",
    "Program",
    "ProgramVersion",
    "Purchase",
    "Reference",
    "Refund",
    "RevenueDay",
    "RfmScore",
    "RuleCount",
    "Tier",
    "TierChange",
    "TierSet",
]
