"""
Each run of a periodic task is written down, by Celery's own signals: no task has to know.

A wake may bring the same task many times a second. What did its work well is then written once a second by a
process, with what was done in between; what fails is written each time. A record that cannot be written never
stops the work.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.utils import timezone

THROTTLE_SECONDS = 1.0
log = logging.getLogger(__name__)

_local = threading.local()
_written: dict[str, float] = {}
_kept: dict[str, Any] = {}


@task_prerun.connect
def _began(task: Any = None, task_id: str = "", **_signal: object) -> None:
    from config import periodic

    if task.name not in periodic.KNOWN:
        return
    began: dict[str, tuple[datetime, float]] = _local.__dict__.setdefault("began", {})
    began[task_id] = timezone.now(), time.monotonic()
    if time.monotonic() >= _written.get(task.name, 0.0) + THROTTLE_SECONDS:
        _try(lambda: periodic.begin(task=task.name, at=began[task_id][0]))


@task_postrun.connect
def _ended(
    task: Any = None, task_id: str = "", retval: Any = None, state: str = "", **_signal: object
) -> None:
    from config import periodic

    started = _local.__dict__.get("began", {}).pop(task_id, None)
    if started is None:
        return
    run = periodic.Run(
        task=task.name,
        started_at=started[0],
        ended_at=timezone.now(),
        seconds=time.monotonic() - started[1],
        done=retval if isinstance(retval, int) else 0,
        error="" if state == "SUCCESS" else _first_line(retval),
    )
    if (kept := _kept.pop(run.task, None)) is not None:
        run = replace(
            run, done=run.done + kept.done, seconds=max(run.seconds, kept.seconds), runs=kept.runs + 1
        )
    if not run.error and time.monotonic() < _written.get(run.task, 0.0) + THROTTLE_SECONDS:
        _kept[run.task] = run
        return
    _written[run.task] = time.monotonic()
    _try(lambda: periodic.end(run))


def _first_line(error: Any) -> str:
    # What follows the first line of a database's complaint are the row's values.
    return f"{type(error).__name__}: {error}".split("\n")[0]


def _try(write: Any) -> None:
    try:
        write()
    except Exception as error:
        log.warning("a run of periodic work is not recorded: %s", error)
