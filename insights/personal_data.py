"""What this room keeps about people: nothing but sums. See customers/erasure.py."""

from customers.erasure import nobody

HOLDINGS = [
    *nobody(
        "insights.JourneyStages",
        "insights.HistoricalJourneyStages",
        "insights.JourneySnapshot",
        why="Kept: it is about the shop.",
    ),
]
