"""
What customers do, in which order, and where they stop: asked of the touchpoints where they lie.

A person is a customer, or an anonymous visitor for as long as nobody knows who it is. Touchpoints are ordered by
time, then id. Kinds are grouped into nodes: a node is a name and the kinds that count as it (a stage, a step, or
a kind by itself). Everything is one statement, the same text on PostgreSQL and SQLite; moving a million
touchpoints out would take longer than the answer.

Customers and strangers lie in two indexes, each in the order of a person's time. A statement therefore reads each
by itself (`Scope.each`) and adds up at the end: one key for both would be an expression, and a million rows would
be sorted that lie sorted already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lib import db
from merchants.models import Merchant

MOST_STEPS = 10
END = "end"

Nodes = Mapping[str, Sequence[str]]
MEMORY = "128MB"
_BY_TIME = "PARTITION BY who ORDER BY at, id"
# Looking back from the end, what comes next is what was seen last: a running minimum, one pass. A frame that
# starts after the row would be counted anew for every row. `who DESC` turns the partitions round as well, so
# that PostgreSQL reads its index backward instead of sorting.
_LATER = (
    "PARTITION BY who ORDER BY who DESC, at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
)
_CUSTOMERS = ("customers", "t.customer_id", "t.customer_id", "t.customer_id IS NOT NULL")
_STRANGERS = (
    *("strangers", "t.anonymous_id", "CAST(NULL AS bigint)"),
    "t.customer_id IS NULL AND t.anonymous_id <> ''",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose touchpoints are meant, and of when: from `since` up to, not with, `until`."""

    merchant: Merchant
    since: datetime
    until: datetime
    segment_id: int | None = None

    def each(self, nodes: Nodes, per_person: Callable[[str], str]) -> tuple[str, list[Any]]:
        """
        Return a statement of what `per_person` says of the customers' events and of the strangers', together.

        It is given the statement of events, which are: who, customer (none of a stranger), at, id, node (its
        place), channel.
        """
        kinds = [(kind, place) for place, name in enumerate(nodes) for kind in nodes[name]]
        if not kinds:
            raise ValueError("Name at least one kind of touchpoint.")
        cases = " ".join(f"WHEN %s THEN {place}" for _kind, place in kinds)
        said = [kind for kind, _place in kinds]
        params = [*said, self.merchant.pk, self.since, self.until, *said]
        inside = ""
        groups = [_CUSTOMERS, _STRANGERS]
        if self.segment_id is not None:  # nobody knows a stranger's segments
            groups = [_CUSTOMERS]
            inside = (
                " AND t.customer_id IN (SELECT m.customer_id FROM customers_segmentmember m "
                "WHERE m.merchant_id = %s AND m.segment_id = %s)"
            )
            params += [self.merchant.pk, self.segment_id]
        kinds_asked = ", ".join(["%s"] * len(said))
        parts = []
        for name, who, customer, which in groups:
            events = f"""
                SELECT {who} AS who, {customer} AS customer, t.occurred_at AS at, t.id,
                       CASE t.kind {cases} END AS node, t.channel
                FROM customers_touchpoint t
                WHERE t.merchant_id = %s AND t.occurred_at >= %s AND t.occurred_at < %s
                  AND t.kind IN ({kinds_asked}) AND {which}{inside}"""
            parts.append(f"SELECT * FROM ({per_person(events)}) {name}")
        return " UNION ALL ".join(parts), params * len(parts)


def ask(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run one of these statements; return its rows."""
    # A busy shop's groups fit into memory, and compiling such a statement takes longer than running it.
    with db.snapshot(memory=MEMORY):
        return db.ask(sql, params).rows


def between(earlier: str, later: str) -> str:
    """Return the seconds from one time to another."""
    if db.is_postgres():
        return f"date_part('epoch', {later} - {earlier})"
    # A Julian day has milliseconds: what is finer would make a whole half hour a little longer than one.
    return f"ROUND((julianday({later}) - julianday({earlier})) * 86400.0, 3)"


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
    steps_of, params = scope.each(
        nodes,
        lambda events: (
            f"""
            SELECT node, LEAD(node) OVER w AS there, {between("at", "LEAD(at) OVER w")} AS took,
                   ROW_NUMBER() OVER w AS place
            FROM ({events}) events WINDOW w AS ({_BY_TIME})"""
        ),
    )
    found = ask(
        f"""
        SELECT node, there, COUNT(*), AVG(took), SUM(CASE WHEN place = 1 THEN 1 ELSE 0 END)
        FROM ({steps_of}) steps GROUP BY node, there ORDER BY COUNT(*) DESC, node, there
        """,
        params,
    )
    names = list(nodes)
    starts: dict[str, int] = {}
    steps = []
    for node, there, times, took, first in found:
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
    place = {kind: number for number, kind in enumerate(kinds)}
    tests = [f"node IN ({', '.join(str(place[kind]) for kind in steps[name])})" for name in steps]
    people, params = scope.each(
        {kind: [kind] for kind in kinds}, lambda events: _furthest_start(events, tests, within)
    )
    begins = {2: "at"} | {step: f"t{step - 1}" for step in range(3, len(steps) + 1)}
    gaps = " UNION ALL ".join(
        f"SELECT {step} AS step, {between(begin, f't{step}')} AS gap FROM people WHERE depth >= {step}"
        for step, begin in begins.items()
    )
    found = ask(
        f"""
        WITH people AS ({people}), ordered AS (
            SELECT step, gap, ROW_NUMBER() OVER (PARTITION BY step ORDER BY gap) AS place,
                   COUNT(*) OVER (PARTITION BY step) AS many
            FROM ({gaps}) gaps
        )
        SELECT 1 AS step, COUNT(*), NULL FROM people
        UNION ALL
        SELECT step, MAX(many), AVG(CASE WHEN place IN ((many + 1) / 2, (many + 2) / 2) THEN gap END)
        FROM ordered GROUP BY step
        """,
        params,
    )
    counted = {step: (people, median) for step, people, median in found}
    return _reached(list(steps), counted)


def _furthest_start(events: str, tests: Sequence[str], within: timedelta) -> str:
    """Return the statement of each person's start that got furthest: its time, those of its steps, how deep."""
    last = len(tests)
    source = f"({events}) events"
    for step in range(last, 1, -1):
        # The time of this step, and the times already found of the ones after it, carried to earlier touches.
        carried = [f"MIN(CASE WHEN {tests[step - 1]} THEN at END) OVER later AS t{step}"]
        carried += [
            f"MIN(CASE WHEN {tests[step - 1]} THEN t{after} END) OVER later AS t{after}"
            for after in range(step + 1, last + 1)
        ]
        source = f"(SELECT who, at, id, node, {', '.join(carried)} FROM {source} WINDOW later AS ({_LATER})) from{step}"
    limit = within.total_seconds()
    depth = " ".join(
        f"WHEN {between('at', f't{step}')} <= {limit!r} THEN {step}" for step in range(last, 1, -1)
    )
    columns = ", ".join(f"t{step}" for step in range(2, last + 1))
    return f"""
        SELECT at, {columns}, depth FROM (
            SELECT at, {columns}, depth, ROW_NUMBER() OVER (PARTITION BY who ORDER BY depth DESC, at) AS place
            FROM (SELECT who, at, {columns}, CASE {depth} ELSE 1 END AS depth FROM {source} WHERE {tests[0]}) starts
        ) ranked WHERE place = 1"""


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
    columns = ", ".join(
        f"MAX(CASE WHEN place = {place} THEN node END) AS n{place}" for place in range(1, touches + 1)
    )
    by = ", ".join(f"n{place}" for place in range(1, touches + 1))
    people, params = scope.each(
        nodes,
        lambda events: (
            f"""
            SELECT {columns}, MAX(CASE WHEN place > {touches} THEN 1 ELSE 0 END) AS more FROM (
                SELECT who, node, ROW_NUMBER() OVER ({_BY_TIME}) AS place FROM (
                    SELECT who, at, id, node, LAG(node) OVER ({_BY_TIME}) AS before FROM ({events}) events
                ) moved WHERE before IS NULL OR before <> node
            ) placed WHERE place <= {touches + 1} GROUP BY who"""
        ),
    )
    found = ask(
        f"SELECT COUNT(*), more, {by} FROM ({people}) people GROUP BY more, {by} "
        f"ORDER BY COUNT(*) DESC, more, {by} LIMIT %s",
        [*params, limit],
    )
    names = list(nodes)
    return tuple(
        Way(tuple(names[node] for node in row if node is not None), people, not more)
        for people, more, *row in found
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
    last, params = scope.each(
        stages,
        lambda events: (
            f"""
            SELECT node, channel FROM (
                SELECT node, channel,
                       ROW_NUMBER() OVER (PARTITION BY who ORDER BY node DESC, at DESC, id DESC) AS place
                FROM ({events}) events
            ) ranked WHERE place = 1"""
        ),
    )
    found = ask(
        f"SELECT node, channel, COUNT(*) FROM ({last}) ends "
        "GROUP BY node, channel ORDER BY node, COUNT(*) DESC, channel",
        params,
    )
    names = list(stages)
    return tuple(Furthest(names[node], channel, people) for node, channel, people in found)


@dataclass(frozen=True, slots=True)
class Seen:
    """Touches and people of one stage on one channel: a field of the journey map."""

    stage: str
    channel: str
    touches: int
    people: int


def seen(scope: Scope, stages: Nodes) -> tuple[Seen, ...]:
    """Count touches and people by stage and channel."""
    people, params = scope.each(
        stages,
        lambda events: (
            f"SELECT node, channel, COUNT(*) AS times FROM ({events}) events GROUP BY who, node, channel"
        ),
    )
    found = ask(
        f"SELECT node, channel, SUM(times), COUNT(*) FROM ({people}) people "
        "GROUP BY node, channel ORDER BY node, COUNT(*) DESC, channel",
        params,
    )
    names = list(stages)
    return tuple(Seen(names[node], channel, int(touches), people) for node, channel, touches, people in found)
