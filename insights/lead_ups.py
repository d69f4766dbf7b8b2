"""
What came before conversions: the paths that attribution shares out, read in one statement.

A path is the touches of one person in the first two stages since the last conversion, within the look-back; it
ends in a conversion (a touch of the decision), or in nothing. Of a longer one the last eight touches count.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.cache import cache

from insights import attribution, journeys, stages
from insights.attribution import Path
from insights.journey_map import KEEP_SECONDS, name_of
from insights.journeys import Scope
from insights.stages import Stages

MOST_TOUCHES = 8
LOOK_BACK = timedelta(days=30)
MODELS = ("first", "last", "linear", "time_decay", "position", "markov", "shapley")


def paths(scope: Scope, own: Stages, *, look_back: timedelta = LOOK_BACK) -> list[Path]:
    """Return the paths of channels, equal ones once; none if a merchant maps no touch or no conversion."""
    nodes = {"touch": own["awareness"] + own["consideration"], "conversion": own["decision"]}
    if not all(nodes.values()):
        return []
    places = range(MOST_TOUCHES, 0, -1)  # the one that came first stands first
    columns = ", ".join(
        f"MAX(CASE WHEN place = {place} THEN channel END) AS c{place}, "
        f"MAX(CASE WHEN place = {place} THEN ago END) AS a{place}"
        for place in places
    )
    ago = journeys.between("at", "ended")
    ways, params = scope.each(
        nodes,
        lambda events: (
            f"""
            SELECT CASE WHEN MAX(ended) IS NULL THEN 0 ELSE 1 END AS converted, {columns} FROM (
                SELECT who, trip, channel, ended, {ago} AS ago,
                       ROW_NUMBER() OVER (PARTITION BY who, trip ORDER BY at DESC, id DESC) AS place
                FROM (
                    SELECT who, trip, channel, node, at, id,
                           MAX(CASE WHEN node = 1 THEN at END) OVER (PARTITION BY who, trip) AS ended
                    FROM (
                        SELECT who, channel, node, at, id, COUNT(CASE WHEN node = 1 THEN 1 END) OVER (
                            PARTITION BY who ORDER BY at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                        ) AS trip FROM ({events}) events
                    ) counted
                ) trips WHERE node = 0 AND (ended IS NULL OR {ago} <= {look_back.total_seconds()!r})
            ) placed WHERE place <= {MOST_TOUCHES} GROUP BY who, trip"""
        ),
    )
    by = ", ".join(f"c{place}" for place in places)
    mean = ", ".join(f"AVG(a{place})" for place in places)
    rows = journeys.ask(
        f"SELECT converted, COUNT(*), {by}, {mean} FROM ({ways}) ways GROUP BY converted, {by} "
        f"ORDER BY COUNT(*) DESC, converted, {by}",
        params,
    )
    return [_path(*row) for row in rows]


def _path(converted: int, people: int, *columns: Any) -> Path:
    channels, seconds = columns[:MOST_TOUCHES], columns[MOST_TOUCHES:]
    there = [place for place, channel in enumerate(channels) if channel is not None]
    path = Path(tuple(channels[place] or "unnamed" for place in there))
    if not converted:
        return replace(path, lost=float(people))
    days = tuple(float(seconds[place]) / 86_400 for place in there)
    return replace(path, converted=float(people), days_before=days)


def credit(scope: Scope, *, days: int) -> list[dict[str, Any]]:
    """
    Return each channel's conversions by every model, the most (in equal shares) first; kept for ten minutes.

    None of them is causal: see `insights/attribution.py`.
    """
    own = stages.of(scope.merchant)
    key = name_of("credit", scope, days, own)
    found: list[dict[str, Any]] | None = cache.get(key)
    if found is None:
        shared = attribution.credit(paths(scope, own))
        channels = {channel for credits in shared.values() for channel in credits}
        found = [
            {"channel": channel, **{model: round(shared[model].get(channel, 0.0), 2) for model in shared}}
            for channel in channels
        ]
        found.sort(key=lambda row: (-row["linear"], row["channel"]))
        cache.set(key, found, KEEP_SECONDS)
    return found
