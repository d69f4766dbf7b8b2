"""What this room keeps about a person, and what erasure does to it."""

from typing import Any

from customers.erasure import Holding, Traces, deleted, nobody, theirs
from insights.models import ClvScore, Recommendation

_WHY = "Kept: it is about the shop, sums of many customers."


def _recommended(traces: Traces) -> list[dict[str, Any]]:
    return list(
        theirs(Recommendation, traces).order_by("pk").values("rewards", "products", "coming", "made_at")
    )


def _scores(traces: Traces) -> list[dict[str, Any]]:
    names = (
        "lifecycle",
        "band",
        "days",
        "first_day",
        "last_day",
        "historic_minor",
        "alive",
        "at_risk",
        "value_minor",
    )
    return list(theirs(ClvScore, traces).order_by("customer_id").values(*names))


HOLDINGS = [
    Holding(
        "insights.Recommendation",
        "Deleted: it says what the person may like.",
        erase=deleted(Recommendation),
        export=_recommended,
    ),
    *nobody(
        *("insights.PointsDay", "insights.PointsCohort", "insights.PointsReading"),
        why=_WHY,
    ),
    Holding(
        "insights.ClvScore",
        "Deleted. It is an estimate made from purchase days, and is not made again for somebody who is erased.",
        erase=deleted(ClvScore),
        export=_scores,
    ),
    *nobody(
        "insights.MerchantInsight",
        "insights.HistoricalMerchantInsight",
        "insights.ClvRun",
        "insights.RetentionSnapshot",
        "insights.CohortMonth",
        why=_WHY,
    ),
]
