"""Transactions: commands own one, steps require one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

from lib import public_ids
from lib.db.statements import confirmed
from lib.db.values import is_postgres

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 5
_RETRY_STATES = {"40001", "40P01"}

# What stores an answer; it may return a check, run once the statements before it are known to be done.
Store = Callable[[Any], Callable[[], None] | None]
_answer: ContextVar[Store | None] = ContextVar("answer", default=None)
_stored: ContextVar[list[Callable[[], None] | None]] = ContextVar("stored")
_dry_run: ContextVar[bool] = ContextVar("dry_run", default=False)


class NotInTransaction(RuntimeError):
    """A programming error: never catch it."""


class Again(Exception):
    """Somebody else was faster between our look and our write: run the whole command again."""


def command(verb: Callable[P, R]) -> Callable[P, R]:
    """
    Mark a verb that owns its transaction.

    The whole verb is run again, up to five times, after a deadlock, a lost race (`Again`) or an id that
    was taken. Inside `answering(...)` the answer is stored in the same transaction; inside
    `dry_run()` everything is done and then rolled back.
    """

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _once(verb, *args, **kwargs)
            except (Again, IntegrityError, OperationalError) as error:
                if attempt == ATTEMPTS or not _is_worth_repeating(error):
                    raise
                public_ids.renew_slot()
        raise AssertionError("unreachable")

    return run


def _once(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    stored: list[Callable[[], None] | None] = []
    token = _stored.set(stored)
    try:
        with transaction.atomic(durable=True):
            result = verb(*args, **kwargs)
            if _dry_run.get():
                transaction.set_rollback(True)
            elif not stored:
                answer(result)
            for check in stored:
                if check is not None:
                    check()
            confirmed()
            return result
    finally:
        _stored.reset(token)


def answer(result: Any) -> None:
    """
    Store the command's answer now, and not after its last line: called inside its last `together()`, the
    kept answer costs no round trip of its own. Outside `answering(...)` nothing is stored.
    """
    if (store := _answer.get()) is not None and not _dry_run.get():
        _stored.get().append(store(result))


def _is_worth_repeating(error: Exception) -> bool:
    if isinstance(error, Again):
        return True
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _RETRY_STATES:
        return True
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", "") or ""
    text = str(error)
    return (
        constraint.endswith("_pkey")
        or (text.startswith("UNIQUE constraint failed") and text.endswith(".id"))
        or "database is locked" in text
    )


def inside_transaction(step: Callable[P, R]) -> Callable[P, R]:
    """
    Mark a step that must run inside its caller's transaction.

    The transaction that a test case opens does not count, so a test cannot pass where production would
    write half of the work.
    """

    @wraps(step)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if all(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            raise NotInTransaction(f"{step.__qualname__} needs its caller's transaction")
        return step(*args, **kwargs)

    return checked


@contextmanager
def answering(store: Store) -> Iterator[None]:
    """
    Within the block, the next command calls `store(result)` inside its own transaction.

    What `store` returns, if anything, is called before the commit, when its statements are known to be done.
    """
    token = _answer.set(store)
    try:
        yield
    finally:
        _answer.reset(token)


@contextmanager
def dry_run(wanted: bool = True) -> Iterator[None]:
    """Within the block commands do all their work and save nothing."""
    token = _dry_run.set(wanted)
    try:
        yield
    finally:
        _dry_run.reset(token)


@contextmanager
def snapshot(*, memory: str = "") -> Iterator[None]:
    """
    Within the block all reads see one moment, however long it takes; nobody waits for it, and it writes nothing.

    :param memory: what PostgreSQL may sort and group in without writing files, like 128MB
    """
    if connection.in_atomic_block:  # a test's own transaction
        yield
        return
    here: Any = connection
    mode = getattr(here, "transaction_mode", None)
    if mode is not None:  # SQLite: IMMEDIATE would keep every writer waiting
        here.transaction_mode = "DEFERRED"
    try:
        with transaction.atomic():
            if is_postgres():
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    if memory:
                        cursor.execute(f"SET LOCAL work_mem = '{memory}'; SET LOCAL jit = off")
            yield
    finally:
        if mode is not None:
            here.transaction_mode = mode


def after_commit(act: Callable[[], None]) -> None:
    """Run `act` once the caller's transaction is committed; never if it is rolled back."""
    transaction.on_commit(act, robust=True)
