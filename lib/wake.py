"""
Wakes: "there is work", said to the worker after a commit.

A wake is only speed. It carries no data, may be lost, and may come twice: the rows say what is due, and a
sweep finds them a few seconds later. So it may never slow or break the request that says it.
"""

import logging
import threading
import time
from functools import partial

from celery import current_app
from django.db import transaction

THROTTLE_SECONDS = 0.2
BROKER_DOWN_SECONDS = 5.0

log = logging.getLogger(__name__)

_lock = threading.Lock()
_not_before: dict[str, float] = {}


def wake(task_name: str) -> None:
    """
    Publish the task (dotted name, no arguments) once the current transaction commits, or now outside one.

    At most one publish per task and 200 ms leaves a process: the draining task lingers longer than that,
    so a throttled wake is not lost. While the broker is down nothing is tried for some seconds.
    """
    transaction.on_commit(partial(_publish, task_name), robust=True)


def _publish(task_name: str) -> None:
    now = time.monotonic()
    with _lock:
        if now < max(_not_before.get(task_name, 0.0), _not_before.get("broker", 0.0)):
            return
        _not_before[task_name] = now + THROTTLE_SECONDS
    try:
        with current_app.connection_for_write(
            connect_timeout=0.5, transport_options=_impatient(current_app.conf.broker_transport_options)
        ) as connection:
            current_app.send_task(task_name, connection=connection, retry=False, ignore_result=True)
    except Exception as error:  # whatever a broker can do must not reach the request
        with _lock:
            _not_before["broker"] = time.monotonic() + BROKER_DOWN_SECONDS
        log.warning("wake of %s skipped, the sweep will find its rows: %s", task_name, error)


def _impatient(options: dict[str, object]) -> dict[str, object]:
    return {**options, "max_retries": 0, "socket_connect_timeout": 0.5, "socket_timeout": 1}
