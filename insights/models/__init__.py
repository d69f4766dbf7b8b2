"""
The tables of this room: what was found out, never a fact of its own. All of it can be made anew.

    MerchantInsight    the lapse window of a merchant, and how far a refresh is
    ClvRun             one forecast: the model, its parameters, its sums, and how good one like it was before
    ClvScore           what one buyer was and will be worth; of the latest run only
    RetentionSnapshot  the revenue of one window against the window before it, for all or for one group
    CohortMonth        what those who first bought in one month did in another
    PointsDay          what entries of a kind did to the points on one day, as booked
    PointsCohort       what became of the points of one month, by age: the triangle
    PointsReading      how far both have read a merchant's entries
    JourneyStages      which touchpoints count as which stage, by the merchant's own mapping
    JourneySnapshot    the journey map as it was drawn last
    RehearsalRun       a draft program that lived the past again, and what came of it
    Recommendation     the rewards and products a customer may like, best first, as of last night

Money and retention are made by `insights/snapshots.py`, from `loyalty.RevenueDay` alone; points by
`insights/points.py`, from the ledger's entries.
"""

from insights.models.journey import JourneySnapshot, JourneyStages
from insights.models.points import PointsCohort, PointsDay, PointsReading
from insights.models.recommendation import Recommendation
from insights.models.rehearsal import RehearsalRun
from insights.models.retention import CohortMonth, RetentionSnapshot
from insights.models.value import Band, ClvRun, ClvScore, Lifecycle, MerchantInsight

__all__ = [
    "Band",
    "ClvRun",
    "ClvScore",
    "CohortMonth",
    "JourneySnapshot",
    "JourneyStages",
    "Lifecycle",
    "MerchantInsight",
    "PointsCohort",
    "PointsDay",
    "PointsReading",
    "Recommendation",
    "RehearsalRun",
    "RetentionSnapshot",
]
