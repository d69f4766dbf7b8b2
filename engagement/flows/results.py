"""What came of a flow: who started, what was said, and who reached the goal, against who was held out."""

from dataclasses import dataclass

from engagement import experiments
from engagement.experiments import Comparison, Rate
from engagement.models import Flow
from lib import db

HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Group:
    """
    The customers of one arm, or those held out. `name` is empty for who ended before a split.

    Each counts once, however often they started; whoever reached the goal in one of the runs reached it.
    `against` compares with who was held out.
    """

    name: str
    rate: Rate
    runs: int
    against: Comparison | None = None

    @property
    def percent(self) -> float | None:
        return None if self.rate.share is None else 100 * self.rate.share


@dataclass(frozen=True, slots=True)
class Results:
    started: int
    states: dict[str, int]
    messages: dict[str, int]
    everybody: Group
    held_out: Group
    arms: list[Group]
    between_arms: list[tuple[str, str, Comparison]]


def of(flow: Flow) -> Results:
    """Return a flow's results: four statements."""
    rows = db.ask(
        """
        SELECT CASE WHEN r.state = 'held_out' THEN 1 ELSE 0 END, r.arm, COUNT(*), COUNT(DISTINCT r.customer_id),
               COUNT(DISTINCT CASE WHEN r.goal_at IS NOT NULL THEN r.customer_id END)
        FROM engagement_flowrun r WHERE r.flow_id = %s AND r.merchant_id = %s GROUP BY 1, 2
        """,
        [flow.pk, flow.merchant_id],
    ).rows
    everybody = db.ask(
        """
        SELECT COUNT(*), COUNT(DISTINCT r.customer_id),
               COUNT(DISTINCT CASE WHEN r.goal_at IS NOT NULL THEN r.customer_id END)
        FROM engagement_flowrun r WHERE r.flow_id = %s AND r.merchant_id = %s AND r.state <> 'held_out'
        """,
        [flow.pk, flow.merchant_id],
    ).one
    assert everybody is not None
    held = [row for row in rows if row[0]]
    base = Rate(sum(row[4] for row in held), sum(row[3] for row in held))
    arms = [
        _group(arm, runs, people, reached, base)
        for is_held, arm, runs, people, reached in sorted(rows)
        if not is_held and arm
    ]
    states, messages = _states(flow), _messages(flow)
    return Results(
        started=sum(states.values()) - states.get("held_out", 0),
        states=states,
        messages=messages,
        everybody=_group("", everybody[0], everybody[1], everybody[2], base),
        held_out=Group(HOLDOUT, base, sum(row[2] for row in held)),
        arms=arms,
        between_arms=[
            (one.name, arms[0].name, experiments.compare(one.rate, arms[0].rate)) for one in arms[1:]
        ],
    )


def _group(name: str, runs: int, people: int, reached: int, base: Rate) -> Group:
    rate = Rate(reached, people)
    return Group(name, rate, runs, experiments.compare(rate, base) if base.people else None)


def _states(flow: Flow) -> dict[str, int]:
    rows = db.ask(
        "SELECT r.state, COUNT(*) FROM engagement_flowrun r WHERE r.flow_id = %s GROUP BY r.state", [flow.pk]
    ).rows
    return dict(rows)


def _messages(flow: Flow) -> dict[str, int]:
    rows = db.ask(
        """
        SELECT CASE WHEN m.status = 'not_sent' THEN m.reason ELSE m.status END, COUNT(*)
        FROM engagement_flowrun r JOIN engagement_message m ON m.flow_run_id = r.id
        WHERE r.flow_id = %s GROUP BY 1 ORDER BY 2 DESC
        """,
        [flow.pk],
    ).rows
    return dict(rows)
