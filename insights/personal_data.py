"""What this room keeps about a person, and what erasure does to it."""

from typing import Any

from customers.erasure import Holding, Traces, deleted, nobody, theirs
from insights.models import ClvScore, Recommendation, RehearsalRun

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


LISTS = ("most_gain", "most_lose")


def _leave_rehearsals(traces: Traces) -> None:
    """Take the person out of the lists of who gains and loses most; sums lead to nobody."""
    done = RehearsalRun.objects.filter(merchant=traces.customer.merchant_id, figures__isnull=False)
    for run in done.iterator():
        people = (run.figures or {})["customers"]
        kept = {name: [one for one in people[name] if one["customer"] not in traces.ids] for name in LISTS}
        if any(len(kept[name]) < len(people[name]) for name in LISTS):
            people |= kept
            run.save(update_fields=["figures"])


HOLDINGS = [
    Holding(
        "insights.RehearsalRun",
        "Kept: sums that lead to nobody. The person is taken out of the lists of who gains and loses most.",
        erase=_leave_rehearsals,
    ),
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
    *nobody(
        *("insights.JourneyStages", "insights.HistoricalJourneyStages", "insights.JourneySnapshot"),
        why="Kept: it is about the shop.",
    ),
]
