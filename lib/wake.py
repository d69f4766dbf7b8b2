"""
Wakes: "there is work", said to the worker after a commit.

A wake is only speed. It carries no data, may be lost, and may come twice: the rows say what is due, and a
sweep finds them a few seconds later. So it may never slow or break the request that says it.
"""

import logging
import os
import threading
import time
from functools import partial

from celery import current_app
from django.db import transaction
from kombu import Producer

THROTTLE_SECONDS = 0.2
BROKER_DOWN_SECONDS = 5.0

log = logging.getLogger(__name__)

_lock = threading.Lock()
_not_before: dict[str, float] = {}
_broker_not_before = 0.0
_producer: Producer | None = None
_is_broker_down = False


def wake(task_name: str) -> None:
    """
    Publish the task (dotted name, no arguments) once the current transaction commits, or now outside one.

    At most one publish per task and 200 ms leaves a process: the draining task lingers longer than that,
    so a throttled wake is not lost. While the broker is down nothing is tried for some seconds.
    """
    transaction.on_commit(partial(_publish, task_name), robust=True)


def _publish(task_name: str) -> None:
    global _broker_not_before, _is_broker_down
    # Threads of one process take turns: they share a connection, and a publish takes half a millisecond.
    with _lock:
        now = time.monotonic()
        if now < max(_not_before.get(task_name, 0.0), _broker_not_before):
            return
        _not_before[task_name] = now + THROTTLE_SECONDS
        try:
            current_app.send_task(task_name, producer=_connected(), retry=False, ignore_result=True)
            _is_broker_down = False
        except Exception as error:
            # Whatever a broker can do, from a refused socket to a strange answer, must not reach the request.
            _disconnect()
            _broker_not_before = time.monotonic() + BROKER_DOWN_SECONDS
            if not _is_broker_down:  # said once, not every few seconds
                log.warning("no broker: wakes are skipped, sweeps will find the rows: %s", error)
            _is_broker_down = True


def _connected() -> Producer:
    global _producer
    if _producer is None:
        options = {"max_retries": 0, "socket_connect_timeout": 0.5, "socket_timeout": 1}
        connection = current_app.connection_for_write(
            connect_timeout=0.5,
            transport_options={**current_app.conf.broker_transport_options, **options},
        )
        _producer = current_app.amqp.Producer(connection, auto_declare=False)
    return _producer


def _disconnect() -> None:
    global _producer
    if _producer is not None and _producer.connection is not None:
        _producer.connection.release()
    _producer = None


def _forget_after_fork() -> None:
    # The child may neither use nor close the parent's socket, and the lock may be held by a thread it lacks.
    global _producer, _lock
    _producer, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
