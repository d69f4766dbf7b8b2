"""What flows keep about a person, and what erasure does to it."""

from customers.erasure import Holding, Traces, nobody, plain, shown, theirs
from engagement.models import FlowRun, FlowStep


def _forget(traces: Traces) -> None:
    mine = theirs(FlowRun, traces)
    mine.filter(state=FlowRun.State.WAITING).update(
        state=FlowRun.State.EXITED, ended_reason="erased", ended_at=traces.at
    )
    mine.update(data={}, key="")


def _steps(traces: Traces) -> list[dict[str, object]]:
    rows = FlowStep.objects.filter(
        merchant=traces.customer.merchant_id, run__customer__in=traces.ids
    ).order_by("pk")
    return plain(rows, "step", "kind", "outcome", "at")


HOLDINGS = [
    Holding(
        "engagement.FlowRun",
        "What is under way ends at once. That somebody was in a flow, and whether its goal was reached, stays for "
        "the figures; what it was about is emptied.",
        erase=_forget,
        export=shown(
            FlowRun, *("flow__name", "key", "state", "arm", "data", "started_at", "ended_at", "goal_at")
        ),
    ),
    Holding(
        "engagement.FlowStep",
        "Kept: which step did what, by codes that name nobody. It belongs to a run whose customer is nobody.",
        export=_steps,
    ),
    *nobody(
        "engagement.Flow",
        "engagement.HistoricalFlow",
        "engagement.FlowVersion",
        "engagement.Holdout",
        "engagement.HistoricalHoldout",
        why="Kept: it is about the shop. Its history names staff, not customers.",
    ),
]
