"""
What customers do, in which order, and where they stop: asked of the touchpoints where they lie.

A person is a customer, or an anonymous visitor for as long as nobody knows who it is. Touchpoints are ordered by
time, then id. Kinds are grouped into nodes: a node is a name and the kinds that count as it (a stage, a step, or
a kind by itself). Everything is one statement, the same text on PostgreSQL and SQLite; moving a million
touchpoints out would take longer than the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lib import db
from merchants.models import Merchant

MOST_STEPS = 10
END = "end"

Nodes = Mapping[str, Sequence[str]]
_BY_TIME = "PARTITION BY who, stranger ORDER BY at, id"
# Looking back from the end, what comes next is what was seen last: a running minimum, one pass. A frame that
# starts after the row would be counted anew for every row.
_LATER = (
    "PARTITION BY who, stranger ORDER BY at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose touchpoints are meant, and of when: from `since` up to, not with, `until`."""

    merchant: Merchant
    since: datetime
    until: datetime
    segment_id: int | None = None

    def events(self, nodes: Nodes) -> tuple[str, list[Any]]:
        """Return the statement of the touchpoints: who, stranger, at (seconds), id, node (its place), channel."""
        kinds = [(kind, place) for place, name in enumerate(nodes) for kind in nodes[name]]
        if not kinds:
            raise ValueError("Name at least one kind of touchpoint.")
        cases = " ".join(f"WHEN %s THEN {place}" for _kind, place in kinds)
        said = [kind for kind, _place in kinds]
        inside, whose = "", []
        if self.segment_id is not None:
            inside = (
                " AND t.customer_id IN (SELECT m.customer_id FROM customers_segmentmember m "
                "WHERE m.merchant_id = %s AND m.segment_id = %s)"
            )
            whose = [self.merchant.pk, self.segment_id]
        return (
            f"""
            SELECT t.customer_id AS who, CASE WHEN t.customer_id IS NULL THEN t.anonymous_id ELSE '' END AS stranger,
                   {_seconds("t.occurred_at")} AS at, t.id, CASE t.kind {cases} END AS node, t.channel
            FROM customers_touchpoint t
            WHERE t.merchant_id = %s AND t.occurred_at >= %s AND t.occurred_at < %s
              AND t.kind IN ({", ".join(["%s"] * len(said))})
              AND (t.customer_id IS NOT NULL OR t.anonymous_id <> ''){inside}
            """,
            [*said, self.merchant.pk, self.since, self.until, *said, *whose],
        )


def _seconds(column: str) -> str:
    """Return a time as seconds since 1970, a plain number in both databases."""
    if db.is_postgres():
        return f"date_part('epoch', {column})"
    # A Julian day has milliseconds: what is finer would make a whole half hour a little longer than one.
    return f"ROUND((julianday({column}) - 2440587.5) * 86400.0, 3)"


# --- what follows what ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """How often `here` was followed at once by `there` (`end`: by nothing), and after how long on average."""

    here: str
    there: str
    times: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Graph:
    """
    The directly-follows graph: every touch of every person and what came next.

    Of each person's touches all but the last have a successor, so touches - people = transitions.
    """

    steps: tuple[Step, ...]
    starts: dict[str, int]

    @property
    def people(self) -> int:
        return sum(self.starts.values())

    @property
    def touches(self) -> int:
        return sum(step.times for step in self.steps)


def follow(scope: Scope, nodes: Nodes) -> Graph:
    """Count what follows what."""
    events, params = scope.events(nodes)
    found = db.ask(
        f"""
        WITH events AS ({events}), steps AS (
            SELECT node, LEAD(node) OVER w AS there, LEAD(at) OVER w - at AS took, ROW_NUMBER() OVER w AS place
            FROM events WINDOW w AS ({_BY_TIME})
        )
        SELECT node, there, COUNT(*), AVG(took), SUM(CASE WHEN place = 1 THEN 1 ELSE 0 END)
        FROM steps GROUP BY node, there ORDER BY COUNT(*) DESC, node, there
        """,
        params,
    )
    names = list(nodes)
    starts: dict[str, int] = {}
    steps = []
    for node, there, times, took, first in found.rows:
        name = names[node]
        steps.append(
            Step(name, END if there is None else names[there], times, None if took is None else float(took))
        )
        if first:
            starts[name] = starts.get(name, 0) + int(first)
    return Graph(tuple(steps), starts)


# --- a funnel ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """One step of a funnel: how many people got there, and the median seconds since the step before."""

    name: str
    people: int
    median_seconds: float | None
    lost: int  # of those of the step before
    drop_off: float | None


def funnel(scope: Scope, steps: Nodes, *, within: timedelta) -> tuple[Reached, ...]:
    """
    Count people step by step: in this order, with anything between, starting at any touch of the first step,
    all `within` so long after that start. Each person counts once, with the start that got furthest.

    :raises ValueError: fewer than two steps or more than ten
    """
    if not 2 <= len(steps) <= MOST_STEPS:
        raise ValueError(f"A funnel has 2 to {MOST_STEPS} steps.")
    kinds = {kind: kind for name in steps for kind in steps[name]}
    # A kind may be in several steps (a purchase, and another): nodes are kinds here, steps are sets of them.
    events, params = scope.events({kind: [kind] for kind in kinds})
    place = {kind: number for number, kind in enumerate(kinds)}
    tests = [f"node IN ({', '.join(str(place[kind]) for kind in steps[name])})" for name in steps]
    last = len(steps)
    source, levels = _chained(tests)
    times = [f"t{step}" for step in range(2, last + 1)]
    depth = " ".join(f"WHEN t{step} - at <= %s THEN {step}" for step in range(last, 1, -1))
    limit = [within.total_seconds()] * (last - 1)
    columns = ", ".join(times)
    begins = {2: "at"} | {step: f"t{step - 1}" for step in range(3, last + 1)}
    gaps = " UNION ALL ".join(
        f"SELECT {step} AS step, t{step} - {begin} AS gap FROM people WHERE depth >= {step}"
        for step, begin in begins.items()
    )
    found = db.ask(
        f"""
        WITH events AS ({events}), {", ".join(levels)}, starts AS (
            SELECT who, stranger, at, {columns}, CASE {depth} ELSE 1 END AS depth FROM {source} WHERE {tests[0]}
        ), people AS (
            SELECT * FROM (
                SELECT at, {columns}, depth,
                       ROW_NUMBER() OVER (PARTITION BY who, stranger ORDER BY depth DESC, at) AS place
                FROM starts
            ) ranked WHERE place = 1
        ), ordered AS (
            SELECT step, gap, ROW_NUMBER() OVER (PARTITION BY step ORDER BY gap) AS place,
                   COUNT(*) OVER (PARTITION BY step) AS many
            FROM ({gaps}) gaps
        )
        SELECT 1 AS step, COUNT(*), NULL FROM people
        UNION ALL
        SELECT step, MAX(many), AVG(CASE WHEN place IN ((many + 1) / 2, (many + 2) / 2) THEN gap END)
        FROM ordered GROUP BY step
        """,
        [*params, *limit],
    )
    counted = {step: (people, median) for step, people, median in found.rows}
    return _reached(list(steps), counted)


def _chained(tests: Sequence[str]) -> tuple[str, list[str]]:
    """
    Return the tables in which each touch knows the times of the steps that come after it, and the last one's name.

    From the last step backwards: the time of a step, and the times found of those after it, carried to
    earlier touches.
    """
    source, last, levels = "events", len(tests), []
    for step in range(last, 1, -1):
        carried = [f"MIN(CASE WHEN {tests[step - 1]} THEN at END) OVER later AS t{step}"]
        carried += [
            f"MIN(CASE WHEN {tests[step - 1]} THEN t{after} END) OVER later AS t{after}"
            for after in range(step + 1, last + 1)
        ]
        levels.append(
            f"from{step} AS (SELECT who, stranger, at, id, node, {', '.join(carried)} FROM {source} "
            f"WINDOW later AS ({_LATER}))"
        )
        source = f"from{step}"
    return source, levels


def _reached(names: Sequence[str], counted: Mapping[int, tuple[int, Any]]) -> tuple[Reached, ...]:
    answer: list[Reached] = []
    for step, name in enumerate(names, start=1):
        people, median = counted.get(step, (0, None))
        before = answer[-1].people if answer else people
        answer.append(
            Reached(
                name,
                people,
                None if median is None else float(median),
                before - people,
                (before - people) / before if before else None,
            )
        )
    return tuple(answer)


# --- paths from the beginning -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Way:
    """The first touches of some people, equal ones in a row told once; `is_whole` if nothing came after them."""

    nodes: tuple[str, ...]
    people: int
    is_whole: bool


def ways(scope: Scope, nodes: Nodes, *, touches: int = 5, limit: int = 500) -> tuple[Way, ...]:
    """Return the ways people begin, the most common first: what a Sankey diagram is drawn from."""
    events, params = scope.events(nodes)
    columns = ", ".join(
        f"MAX(CASE WHEN place = {place} THEN node END) AS n{place}" for place in range(1, touches + 1)
    )
    by = ", ".join(f"n{place}" for place in range(1, touches + 1))
    found = db.ask(
        f"""
        WITH events AS ({events}), moved AS (
            SELECT who, stranger, at, id, node, LAG(node) OVER ({_BY_TIME}) AS before FROM events
        ), placed AS (
            SELECT who, stranger, node, ROW_NUMBER() OVER ({_BY_TIME}) AS place
            FROM moved WHERE before IS NULL OR before <> node
        ), people AS (
            SELECT {columns}, MAX(CASE WHEN place > {touches} THEN 1 ELSE 0 END) AS more
            FROM placed WHERE place <= {touches + 1} GROUP BY who, stranger
        )
        SELECT COUNT(*), more, {by} FROM people GROUP BY more, {by} ORDER BY COUNT(*) DESC, more, {by} LIMIT %s
        """,
        [*params, limit],
    )
    names = list(nodes)
    return tuple(
        Way(tuple(names[node] for node in row if node is not None), people, not more)
        for people, more, *row in found.rows
    )


# --- how far people get -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Furthest:
    """People whose furthest stage is this one, by the channel where they were last seen in it."""

    stage: str
    channel: str
    people: int


def furthest(scope: Scope, stages: Nodes) -> tuple[Furthest, ...]:
    """Return how far people got, with the stages in their order: those who stop at a stage are lost there."""
    events, params = scope.events(stages)
    found = db.ask(
        f"""
        WITH events AS ({events}), ranked AS (
            SELECT node, channel,
                   ROW_NUMBER() OVER (PARTITION BY who, stranger ORDER BY node DESC, at DESC, id DESC) AS place
            FROM events
        )
        SELECT node, channel, COUNT(*) FROM ranked WHERE place = 1
        GROUP BY node, channel ORDER BY node, COUNT(*) DESC, channel
        """,
        params,
    )
    names = list(stages)
    return tuple(Furthest(names[node], channel, people) for node, channel, people in found.rows)


@dataclass(frozen=True, slots=True)
class Seen:
    """Touches and people of one stage on one channel: a field of the journey map."""

    stage: str
    channel: str
    touches: int
    people: int


def seen(scope: Scope, stages: Nodes) -> tuple[Seen, ...]:
    """Count touches and people by stage and channel."""
    events, params = scope.events(stages)
    found = db.ask(
        f"""
        WITH events AS ({events}), people AS (
            SELECT node, channel, who, stranger, COUNT(*) AS times FROM events GROUP BY node, channel, who, stranger
        )
        SELECT node, channel, SUM(times), COUNT(*) FROM people
        GROUP BY node, channel ORDER BY node, COUNT(*) DESC, channel
        """,
        params,
    )
    names = list(stages)
    return tuple(
        Seen(names[node], channel, int(touches), people) for node, channel, touches, people in found.rows
    )
