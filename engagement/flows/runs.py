"""Runs in memory: what moves one, and how they are read and written, many in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from engagement.flows import document, plan
from engagement.flows.plan import FlowPlan, Move
from engagement.models import FlowRun, FlowVersion
from lib import db, public_ids

WAITING, DONE, EXITED, HELD_OUT = "waiting", "done", "exited", "held_out"
BEGUN, HEARD = "waiting", "heard"
COLUMNS = (
    *("id", "merchant_id", "flow_id", "version_id", "customer_id", "key", "data", "state", "step", "phase"),
    *(
        "gives",
        "due_at",
        "arm",
        "ended_reason",
        "began_at",
        "started_at",
        "ended_at",
        "goal_until",
        "goal_at",
    ),
)
_TIMES = ("due_at", "began_at", "started_at", "ended_at", "goal_until", "goal_at")
_MOVING = (
    "id",
    "data",
    "began_at",
    "state",
    "step",
    "phase",
    "gives",
    "due_at",
    "arm",
    "ended_reason",
    "ended_at",
    "goal_at",
)
PICK = ", ".join(f'r."{name}"' for name in COLUMNS)


@dataclass(slots=True)
class RunState:
    """One run as a command sees it. `is_changed` says that it must be written."""

    merchant_id: int
    flow_id: int
    version_id: int
    customer_id: int
    key: str
    data: dict[str, Any]
    step: str
    due_at: datetime
    began_at: datetime
    started_at: datetime
    id: int = field(default_factory=public_ids.new)
    state: str = WAITING
    phase: str = ""
    gives: bool = False
    arm: str = ""
    ended_reason: str = ""
    ended_at: datetime | None = None
    goal_until: datetime | None = None
    goal_at: datetime | None = None
    is_new: bool = False
    is_changed: bool = False

    @property
    def is_live(self) -> bool:
        return self.state == WAITING

    @property
    def name(self) -> str:
        """The run's public id: what references and message keys say."""
        return public_ids.show(FlowRun.prefix, self.id)

    def go(self, path: str, *, at: datetime) -> None:
        """Make a step the next one, due at once; an empty path ends the run."""
        self.step, self.phase, self.gives, self.due_at, self.is_changed = path, "", False, at, True
        if not path:
            self.end(DONE, at=at)

    def rest(self, phase: str, *, until: datetime) -> None:
        """Stay at the step until a time."""
        self.phase, self.due_at, self.is_changed = phase, until, True

    def end(self, state: str, *, at: datetime, reason: str = "") -> None:
        self.state, self.ended_reason, self.ended_at, self.is_changed = state, reason[:60], at, True


def read(rows: Iterable[Sequence[Any]]) -> list[RunState]:
    """Return the runs of these rows of `PICK`."""
    found = []
    for row in rows:
        named = dict(zip(COLUMNS, row, strict=True))
        named["data"] = db.loaded(named["data"]) or {}
        named["gives"] = bool(named["gives"])
        for name in _TIMES:
            named[name] = db.time(named[name])
        found.append(RunState(**named))
    return found


@db.inside_transaction
def write(runs: Iterable[RunState]) -> None:
    """Write the new runs and those that changed. A new one whose instance has a live run already is left out."""
    changed = [run for run in runs if run.is_changed or run.is_new]
    new = [_row(run, COLUMNS) for run in changed if run.is_new]
    db.insert(FlowRun, new, on_conflict="DO NOTHING")
    db.update(FlowRun, [_row(run, _MOVING) for run in changed if not run.is_new], key=["id"])
    for run in changed:
        run.is_new = run.is_changed = False


def _row(run: RunState, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(run, name) for name in names}


@db.inside_transaction
def take(*, flow_id: int, at: datetime, limit: int, gives: bool, only: Sequence[int] = ()) -> list[RunState]:
    """Take due runs of a flow, the longest due first; those that somebody else has are left to them."""
    mine, ids = db.any_of("r.id", "bigint", list(only)) if only else ("1 = 1", [])
    rows = db.ask(
        f"""
        SELECT {PICK} FROM engagement_flowrun r
        WHERE r.flow_id = %s AND r.state = 'waiting' AND r.gives = %s AND r.due_at <= %s AND {mine}
        ORDER BY r.due_at, r.id LIMIT {int(limit)}
        """
        + db.for_update("r", skip_locked=True),
        [flow_id, gives, at, *ids],
    ).rows
    return read(rows)


def log_row(
    run: RunState, move: Move, outcome: str, *, at: datetime, detail: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": public_ids.new(),
        "merchant_id": run.merchant_id,
        "run_id": run.id,
        "step": move.path,
        "kind": move.verb.rstrip("_"),
        "outcome": outcome[:40],
        "detail": dict(detail),
        "at": at,
    }


@lru_cache(maxsize=2048)
def plan_of(version_id: int) -> FlowPlan:
    """Return a published version, ready. A version is never changed, so each process reads it once."""
    return plan.ready(
        document.read(FlowVersion.objects.values_list("document", flat=True).get(pk=version_id))
    )


def plans_of(versions: Iterable[int]) -> Mapping[int, FlowPlan]:
    return {number: plan_of(number) for number in set(versions)}
