"""What this room keeps about a person, and what erasure does to it."""

from typing import Any

from customers.erasure import Holding, Traces, deleted, nobody, theirs
from insights.models import Recommendation


def _recommended(traces: Traces) -> list[dict[str, Any]]:
    return list(
        theirs(Recommendation, traces).order_by("pk").values("rewards", "products", "coming", "made_at")
    )


HOLDINGS = [
    Holding(
        "insights.Recommendation",
        "Deleted: it says what the person may like.",
        erase=deleted(Recommendation),
        export=_recommended,
    ),
    *nobody(
        *("insights.PointsDay", "insights.PointsCohort", "insights.PointsReading"),
        why="Kept: sums of all customers.",
    ),
]
