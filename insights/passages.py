"""
How people pass through the stages: one statement, from which the whole journey map is added up.

A passage names for each stage the channel of a person's first touch in it, or nothing where they never were.
A stage is reached whatever the order in time: who buys in the store and looks at the web later was in both.
"""

from dataclasses import dataclass

from insights import journeys
from insights.journeys import Nodes, Scope


@dataclass(frozen=True, slots=True)
class Passage:
    """People who passed alike, and what they spent in the time that is looked at (in the merchant's currency)."""

    channels: tuple[str | None, ...]
    people: int
    revenue_minor: int

    @property
    def reached(self) -> tuple[int, ...]:
        """The places of the stages that they were in."""
        return tuple(place for place, channel in enumerate(self.channels) if channel is not None)


def passages(scope: Scope, stages: Nodes) -> tuple[Passage, ...]:
    """Return how people passed, the most common way first. Who a stranger is nobody knows: they spent nothing."""
    columns = ", ".join(
        f"MAX(CASE WHEN node = {place} THEN channel END) AS c{place}" for place in range(len(stages))
    )
    by = ", ".join(f"c{place}" for place in range(len(stages)))
    people, params = scope.each(
        stages,
        lambda events: (
            f"""
            SELECT MAX(customer) AS customer, {columns} FROM (
                SELECT who, customer, node, channel,
                       ROW_NUMBER() OVER (PARTITION BY who, node ORDER BY at, id) AS place
                FROM ({events}) events
            ) firsts WHERE place = 1 GROUP BY who"""
        ),
    )
    merchant = scope.merchant
    first, last = (moment.astimezone(merchant.zone).date() for moment in (scope.since, scope.until))
    rows = journeys.ask(
        f"""
        SELECT {by}, COUNT(*), SUM(COALESCE(spent.net, 0))
        FROM ({people}) people LEFT JOIN (
            SELECT customer_id, SUM(net_revenue_minor) AS net FROM loyalty_revenueday
            WHERE merchant_id = %s AND currency = %s AND day BETWEEN %s AND %s GROUP BY customer_id
        ) spent ON spent.customer_id = people.customer
        GROUP BY {by} ORDER BY COUNT(*) DESC, {by}
        """,
        [*params, merchant.pk, merchant.currency, first, last],
    )
    return tuple(Passage(tuple(channels), people, int(spent)) for *channels, people, spent in rows)


def unmapped(scope: Scope, stages: Nodes) -> tuple[tuple[str, int], ...]:
    """Return the kinds that no stage counts, with how many touchpoints each, the most first."""
    mapped = [kind for kinds in stages.values() for kind in kinds]
    without = f"AND kind NOT IN ({', '.join(['%s'] * len(mapped))})" if mapped else ""
    rows = journeys.ask(
        f"""
        SELECT kind, COUNT(*) FROM customers_touchpoint
        WHERE merchant_id = %s AND occurred_at >= %s AND occurred_at < %s {without}
          AND (customer_id IS NOT NULL OR anonymous_id <> '')
        GROUP BY kind ORDER BY COUNT(*) DESC, kind LIMIT 50
        """,
        [scope.merchant.pk, scope.since, scope.until, *mapped],
    )
    return tuple((kind, count) for kind, count in rows)
