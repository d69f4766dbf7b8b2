"""Counting statements and round trips, for tests and for the benchmark."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection

_watch: ContextVar["Watch | None"] = ContextVar("watch", default=None)


class Watch:
    """How many statements and round trips a block took."""

    def __init__(self) -> None:
        self.statements = 0
        self.trips = 0
        self.texts: list[str] = []


def count(*, statements: int = 0, trips: int = 0, sql: str = "") -> None:
    if (watch := _watch.get()) is not None:
        watch.statements += statements
        watch.trips += trips
        if sql:
            watch.texts.append(sql)


@contextmanager
def watching() -> Iterator[Watch]:
    """Count the statements and round trips of this block, the ORM's included, transactions excluded."""
    watch = Watch()
    token = _watch.set(watch)

    def through_django(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            count(statements=1, trips=1, sql=sql)
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(through_django):
            yield watch
    finally:
        _watch.reset(token)
