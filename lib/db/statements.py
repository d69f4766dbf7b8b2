"""Statements: one text of SQL for one row and for a thousand, and many statements in one round trip."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import orjson
from django.db import connection, models

from lib.db.tables import Row, Table
from lib.db.tables import table as table_of
from lib.db.values import PASS_TIMES, is_postgres, plain
from lib.db.watch import count

COPY_FROM_ROWS = 50

# What `together()` gathers: None outside of it, else the writes not sent yet.
_pipeline: ContextVar[list[tuple[str, str]] | None] = ContextVar("pipeline", default=None)


class Answer:
    """The rows of one statement, read when they are needed: inside `together()` that is after the block."""

    def __init__(self, cursor: Any):
        self._cursor = cursor
        self._rows: list[tuple[Any, ...]] | None = None

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        if self._rows is None:
            self._rows = self._cursor.fetchall() if self._cursor.description else []
            self._cursor.close()
        return self._rows

    @property
    def one(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    @property
    def count(self) -> int:
        return int(self._cursor.rowcount)


def for_update(alias: str, *, skip_locked: bool = False) -> str:
    """Return the locking clause. On SQLite it is empty: IMMEDIATE transactions have one writer."""
    if not is_postgres():
        return ""
    return f" FOR UPDATE OF {alias}{' SKIP LOCKED' if skip_locked else ''}"


@contextmanager
def together(wanted: bool = True) -> Iterator[None]:
    """Send the statements of this block in one round trip where the database can."""
    if not wanted or not is_postgres() or _pipeline.get() is not None:
        yield
        return
    connection.ensure_connection()
    token = _pipeline.set([])
    count(trips=1)
    try:
        with connection.wrap_database_errors, connection.connection.pipeline():
            yield
            _send_writes()
    finally:
        _pipeline.reset(token)


def _send_writes() -> None:
    """
    Send the inserts and updates that `together()` gathered, as one statement: WITH one AS (INSERT ...), ...

    A statement costs the client and the server more than a row does; each of these stands alone, so that
    they may run in any order.
    """
    writes = _pipeline.get()
    if not writes:
        return
    texts, params = [text for text, _ in writes], [param for _, param in writes]
    writes.clear()
    if len(texts) == 1:
        ask(texts[0], params)
    else:
        parts = ", ".join(f"w{place} AS ({text})" for place, text in enumerate(texts))
        ask(f"WITH {parts} SELECT 1", params)


def _write(sql: str, param: str) -> None:
    writes = _pipeline.get()
    if writes is None:
        ask(sql, [param])
    else:
        writes.append((sql, param))


def ask(sql: str, params: Sequence[Any] = ()) -> Answer:
    """Run one statement with `%s` parameters and return its answer."""
    if not is_postgres():
        cursor = connection.cursor()
        cursor.execute(_given_first(sql), [plain(value) for value in params])
        return Answer(cursor)
    if _pipeline.get():
        _send_writes()
    count(statements=1, trips=1 if _pipeline.get() is None else 0, sql=sql)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = _server_cursor()
        # Binary answers: a time that arrives as text costs more to read than the row it stands in.
        cursor.execute(sql, params, binary=True)
    return Answer(cursor)


@lru_cache(maxsize=512)
def _given_first(sql: str) -> str:
    # SQLite knows no size of json_each: it scans the table and reads all the given rows again for each of
    # its rows (measured: 12 s for 28,000). CROSS JOIN is its way to be told which comes first.
    return _GIVEN_JOIN.sub(r"\1CROSS JOIN", sql)


_GIVEN_JOIN = re.compile(r"(json_each\(%s\)\) AS given\s+)JOIN\b")


def _server_cursor() -> Any:
    # Django's own cursors bind in the client; pipelines and prepared statements need the server's binding.
    from psycopg import Cursor

    return Cursor(connection.connection)


def insert(model: type[models.Model], rows: Sequence[Row], *, on_conflict: str = "") -> None:
    """
    Insert `rows` (dicts with the same keys: column names) in one statement.

    :param on_conflict: what follows ON CONFLICT, for example `DO NOTHING`
    """
    if not rows:
        return
    table = table_of(model, tuple(rows[0]))
    if not is_postgres():
        with connection.cursor() as cursor:
            cursor.executemany(
                table.insert_values + (f" ON CONFLICT {on_conflict}" if on_conflict else ""),
                [table.flat(row) for row in rows],
            )
    elif on_conflict or len(rows) < COPY_FROM_ROWS or _pipeline.get() is not None:
        _write(
            table.insert_rows + (f" ON CONFLICT {on_conflict}" if on_conflict else ""),
            orjson.dumps(rows).decode(),
        )
    else:
        _copy(table, rows)


def _copy(table: Table, rows: Sequence[Row]) -> None:
    count(statements=1, trips=1, sql=table.copy_rows)
    connection.ensure_connection()
    with connection.wrap_database_errors, _server_cursor() as cursor, cursor.copy(table.copy_rows) as sink:
        for row in rows:
            sink.write_row(table.flat(row))


def update(model: type[models.Model], rows: Sequence[Row], *, key: Sequence[str], extra: str = "") -> None:
    """Set the columns of `rows` that are not in `key` where the `key` columns match, in one statement."""
    if not rows:
        return
    columns = tuple(name for name in rows[0] if name not in key)
    if is_postgres():
        table = table_of(model, tuple(rows[0]))
        sets = ", ".join(f'"{name}" = given."{name}"' for name in columns)
        match = " AND ".join(f'{table.name}."{name}" = given."{name}"' for name in key)
        _write(
            f"UPDATE {table.name} SET {sets} FROM (SELECT * FROM json_to_recordset(%s::json) "
            f"AS r({table.types}) {_limit(len(rows))}) AS given WHERE {match} {extra}",
            orjson.dumps(rows).decode(),
        )
        return
    table = table_of(model, (*columns, *key))
    sets = ", ".join(f'"{name}" = %s' for name in columns)
    match = " AND ".join(f'"{name}" = %s' for name in key)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table.name} SET {sets} WHERE {match} {extra}", [table.flat(row) for row in rows]
        )


def given(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """
    Return a FROM item named `given` with these rows, and its parameters.

    `columns` maps names to PostgreSQL types. One text of SQL serves any number of rows.
    """
    body = orjson.dumps(
        [dict(zip(columns, row, strict=True)) for row in rows], default=plain, option=PASS_TIMES
    ).decode()
    if is_postgres():
        types = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        return f"(SELECT * FROM json_to_recordset(%s::json) AS r({types}) {_limit(len(rows))}) AS given", [
            body
        ]
    picks = ", ".join(f"json_extract(value, '$.{name}') AS \"{name}\"" for name in columns)
    return f"(SELECT {picks} FROM json_each(%s)) AS given", [body]


def any_of(column: str, kind: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return a condition that `column` (of PostgreSQL type `kind`) is one of `values`, and its parameters."""
    if is_postgres():
        return f"{column} = ANY(%s::{kind}[])", [list(values)]
    return f"{column} IN (SELECT value FROM json_each(%s))", [orjson.dumps(list(values)).decode()]


def _limit(rows: int) -> str:
    """
    Return a LIMIT that cuts nothing off but tells the planner how many rows there are, in powers of ten.

    PostgreSQL believes that a JSON parameter has 100 rows and would rather read a whole table into a hash
    than look up one row; the few sizes keep the number of prepared statements small.
    """
    size = 1
    while size < rows:
        size *= 10
    return f"LIMIT {size}"
