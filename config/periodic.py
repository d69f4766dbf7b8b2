"""
Periodic work, seen from outside: what ran last, what waits, and whether that is well.

Celery's signals record each run (`config/recording.py`), so no task has to. How long work has been waiting is
asked of the rows themselves: each room names, per task, a cheap query for its oldest due row (settings.DUE).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from config.models import PeriodicHour, PeriodicTask
from config.schedule import SCHEDULE
from lib import db

KEEP = timedelta(days=14)
# A sweep works for a minute at most while others wait for its worker: no two minutes without one are normal.
LEAST = timedelta(minutes=2)
PATIENCE = timedelta(minutes=5)
LONGEST = timedelta(minutes=10)  # past Celery's hard limit nothing runs any more

KNOWN = frozenset(line["task"] for line in SCHEDULE.values())
Oldest = Callable[..., datetime | None]
Ids = frozenset[int] | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run that ended: `seconds` by a clock that no one sets, `error` empty if it went well."""

    task: str
    started_at: datetime
    ended_at: datetime
    seconds: float
    done: int = 0
    error: str = ""
    runs: int = 1


@dataclass(frozen=True, slots=True)
class Work:
    """
    One line of the timetable with how it is: `state` is ok, running, late, failed or waiting. `lag` is the age of
    the oldest row that waits, zero when none does, None where no row could.
    """

    name: str
    task: str
    interval: timedelta
    state: str
    said: str
    lag: timedelta | None
    last: PeriodicTask | None

    @property
    def is_bad(self) -> bool:
        return self.state in ("late", "failed")


def begin(*, task: str, at: datetime) -> None:
    """Write down that a run started: one that is killed is seen to have begun and never ended."""
    db.insert(
        PeriodicTask,
        [_row(task, started_at=at)],
        on_conflict="(task) DO UPDATE SET started_at = EXCLUDED.started_at",
    )


def end(run: Run) -> None:
    """Write down how a run ended: the task's own row, and its hour. Two at once add up."""
    row = _row(
        run.task,
        started_at=run.started_at,
        finished_at=run.ended_at,
        seconds=run.seconds,
        done=run.done,
        worked_at=run.ended_at if run.done else None,
        failed_at=run.ended_at if run.error else None,
        error=run.error[:500],
    )
    table = PeriodicTask._meta.db_table
    db.insert(
        PeriodicTask,
        [row],
        on_conflict=(
            "(task) DO UPDATE SET finished_at = EXCLUDED.finished_at, seconds = EXCLUDED.seconds, "
            f"done = CASE WHEN EXCLUDED.done > 0 THEN EXCLUDED.done ELSE {table}.done END, "
            f"worked_at = COALESCE(EXCLUDED.worked_at, {table}.worked_at), "
            f"failed_at = COALESCE(EXCLUDED.failed_at, {table}.failed_at), "
            f"error = CASE WHEN EXCLUDED.error <> '' THEN EXCLUDED.error ELSE {table}.error END"
        ),
    )
    hour = run.ended_at.replace(minute=0, second=0, microsecond=0)
    table = PeriodicHour._meta.db_table
    sums = ", ".join(
        f"{name} = {table}.{name} + EXCLUDED.{name}" for name in ("runs", "failures", "done", "seconds")
    )
    longest = f"CASE WHEN EXCLUDED.longest > {table}.longest THEN EXCLUDED.longest ELSE {table}.longest END"
    db.insert(
        PeriodicHour,
        [
            {
                "task": run.task,
                "hour": hour,
                "runs": run.runs,
                "failures": bool(run.error) + 0,
                "done": run.done,
                "seconds": run.seconds,
                "longest": run.seconds,
            }
        ],
        on_conflict=f"(task, hour) DO UPDATE SET {sums}, longest = {longest}",
    )


def _row(task: str, **said: Any) -> dict[str, Any]:
    empty = {
        "finished_at": None,
        "seconds": 0.0,
        "done": 0,
        "worked_at": None,
        "failed_at": None,
        "error": "",
    }
    return {"task": task, **empty, **said}


def forget(*, at: datetime) -> int:
    """Delete the hours of more than 14 days ago; return how many."""
    return PeriodicHour.objects.filter(hour__lt=at - KEEP).delete()[0]


# --- how it is ------------------------------------------------------------------------------------------


@cache
def due() -> Mapping[str, Oldest]:
    """Return the rooms' queries for the oldest row that waits, by task."""
    return {task: ask for path in settings.DUE for task, ask in import_string(path).items()}


def work(*, at: datetime, merchants: Ids = None, lags: bool = True) -> list[Work]:
    """
    Return every line of the timetable with how it is.

    :param merchants: whose rows count for the lag; None: everybody's
    :param lags: ask for the lags too, a statement for each
    """
    last = {row.task: row for row in PeriodicTask.objects.all()}
    begun = min((row.started_at for row in last.values()), default=None)
    return [
        _judged(name, last.get(line["task"]), begun, at, _lag(line["task"], at, merchants) if lags else None)
        for name, line in SCHEDULE.items()
    ]


def _lag(task: str, at: datetime, merchants: Ids) -> timedelta | None:
    ask = due().get(task)
    if ask is None:
        return None
    oldest = ask(at=at, merchants=merchants)
    return max(at - oldest, timedelta()) if oldest else timedelta()


def _judged(
    name: str, last: PeriodicTask | None, begun: datetime | None, at: datetime, lag: timedelta | None
) -> Work:
    task, interval = SCHEDULE[name]["task"], timedelta(seconds=SCHEDULE[name]["schedule"])
    patience = max(3 * interval, LEAST)
    state, said = _state(last, begun, at, patience)
    if state in ("ok", "running") and lag is not None and lag > max(3 * interval, PATIENCE):
        state, said = "late", _("It runs, but does not keep up.")
    return Work(name, task, interval, state, said, lag, last)


def _state(
    last: PeriodicTask | None, begun: datetime | None, at: datetime, patience: timedelta
) -> tuple[str, str]:
    if last is None:
        if begun is None or at - begun <= patience:
            return "waiting", _("It has not run yet.")
        return "late", _("It has never run, although others do. Is the timetable (beat) running?")
    seen = max(last.started_at, last.finished_at or last.started_at)
    # A clock that was set back must not make a dead worker look alive for as long as it was set back.
    if abs(at - seen) > patience:
        return "late", _("It has not run for too long. Are worker and timetable running?")
    if last.finished_at is None or last.finished_at < last.started_at:
        if at - last.started_at > LONGEST:
            return "late", _("The last run began and never ended.")
        return "running", _("It is running.")
    if last.failed_at is not None and last.failed_at == last.finished_at:
        return "failed", _("The last run failed. It is tried again.")
    return "ok", _("It runs as it should.")


def is_time(*, task: str, at: datetime) -> bool:
    """Tell whether a task has not run for as long as the timetable says, nearly: cron is never punctual."""
    interval = min(timedelta(seconds=line["schedule"]) for line in SCHEDULE.values() if line["task"] == task)
    last = PeriodicTask.objects.filter(task=task).values_list("finished_at", flat=True).first()
    return last is None or abs(at - last) >= interval * 0.95


def late(*, at: datetime) -> list[str]:
    """Return the names of what is late or failed, for load balancers and the doctor: one statement, no lags."""
    return [one.name for one in work(at=at, lags=False) if one.is_bad]
