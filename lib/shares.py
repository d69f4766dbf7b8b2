"""One long job done by several processes at once, each its own share, all heard in one place."""

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

from django.db import connections

Tell = Callable[[Any], None]
Work = Callable[[int, int, Tell], None]


class ShareFailed(RuntimeError):
    """One process could not end its share; the message says why. The others were stopped."""


def run(work: Work, *, parts: int, hear: Callable[[int, Any], None]) -> None:
    """
    Call `work(part, parts, tell)` for each part, in processes of their own where there are several.

    What `tell` is given (anything that pickles) reaches `hear(part, message)` here, in order for each
    part. Every process opens its own database connection.

    :raises ShareFailed: a process failed or was killed
    """
    if parts == 1:
        work(0, 1, lambda message: hear(0, message))
        return
    connections.close_all()  # a connection has one owner: children that inherit it would talk at once
    ends: dict[Connection, int] = {}
    running: set[int] = set()
    try:
        for part in range(parts):
            ours, theirs = Pipe(duplex=False)
            running.add(_start(work, part, parts, theirs))
            theirs.close()
            ends[ours] = part
        _listen(ends, hear)
        for process in list(running):
            ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            running.discard(process)
            if ended:
                raise ShareFailed(f"A process was ended by signal {-ended}.")
    finally:
        # What a killed process had not committed is rolled back.
        for process in running:
            os.kill(process, signal.SIGKILL)
        for process in running:
            os.waitpid(process, 0)


def _start(work: Work, part: int, parts: int, end: Connection) -> int:
    """
    Return the id of a new process that does one part.

    A plain fork: multiprocessing would let the child close what the broker's library has open, and the
    children would wait for each other's answers on one socket, for ever.
    """
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        code = _child(work, part, parts, end)
    finally:
        os._exit(code)


def _listen(ends: dict[Connection, int], hear: Callable[[int, Any], None]) -> None:
    while ends:
        for end in wait(list(ends)):
            assert isinstance(end, Connection)
            try:
                is_failure, message = end.recv()
            except EOFError:
                del ends[end]
                continue
            if is_failure:
                raise ShareFailed(message)
            hear(ends[end], message)


def _child(work: Work, part: int, parts: int, end: Connection) -> int:
    try:
        work(part, parts, lambda message: end.send((False, message)))
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        end.send((True, str(error) or type(error).__name__))
    finally:
        end.close()
        connections.close_all()
    return 0


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
