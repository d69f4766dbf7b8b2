"""A process that is killed at its n-th statement, for every n: what is there afterwards is all or nothing."""

import asyncio
import os
import signal
from collections.abc import Callable

from django.db import connection, connections

from lib.db import watch


class Deadly(watch.Watch):
    """Counts statements, and kills this process when one too many is about to be sent."""

    def __init__(self, last: int):
        self._last, self._sent = last, 0
        super().__init__()

    @property
    def statements(self) -> int:
        return self._sent

    @statements.setter
    def statements(self, sent: int) -> None:
        self._sent = sent
        if sent > self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def killed_after(statements: int, act: Callable[[], object]) -> bool:
    """
    Run `act` in a process that is killed after so many statements, its commit being one; tell whether it was.
    """
    _close_all()
    child = os.fork()
    if child == 0:
        _die_after(statements, act)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the command failed by itself"
    return os.WIFSIGNALED(status)


def _close_all() -> None:
    """
    Close every connection that the child could inherit.

    Where a browser test ran before, its event loop is this thread's, and Django keeps other connections while
    there is one. The child has no loop: it would go on with a connection that this process still holds.
    """
    connections.close_all()
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        connections.close_all()
    finally:
        asyncio._set_running_loop(loop)


def _die_after(statements: int, act: Callable[[], object]) -> None:
    token = watch._watch.set(Deadly(statements))
    code = 1
    commit = connection._commit
    connection._commit = lambda: (watch.count(statements=1), commit())
    try:
        with connection.execute_wrapper(_through_django):
            act()
        code = 0
    finally:
        watch._watch.reset(token)
        # Committed, and dead before it could answer: nothing of pytest's own is run in this process.
        os._exit(code)


def _through_django(execute, sql, params, many, context):
    watch.count(statements=1)
    return execute(sql, params, many, context)


def at_every_statement(act: Callable[[], object], *, check: Callable[[], None]) -> int:
    """
    Kill `act` before its first statement, before its second, and so on until one run gets through; call
    `check` after each. Return how many statements a whole run has.
    """
    for statements in range(1000):
        was_killed = killed_after(statements, act)
        check()
        if not was_killed:
            return statements
    raise AssertionError("it never ends")
