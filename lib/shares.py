"""One long job done by several processes at once, each its own share, all heard in one place."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
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
    fork = multiprocessing.get_context("fork")
    ends: dict[Connection, int] = {}
    processes = []
    for part in range(parts):
        ours, theirs = fork.Pipe(duplex=False)
        # Daemons end with this process, whatever ends it.
        process = fork.Process(target=_child, args=(work, part, parts, theirs), daemon=True)
        process.start()
        theirs.close()
        ends[ours] = part
        processes.append(process)
    try:
        _listen(ends, hear)
        for process in processes:
            process.join()
            if process.exitcode:
                raise ShareFailed(f"A process was ended by signal {-process.exitcode}.")
    finally:
        for process in processes:
            process.terminate()
            process.join()


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


def _child(work: Work, part: int, parts: int, end: Connection) -> None:
    try:
        work(part, parts, lambda message: end.send((False, message)))
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseException as error:
        end.send((True, str(error) or type(error).__name__))
    finally:
        end.close()
        connections.close_all()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
