"""Statements: one text of SQL for one row and for a thousand, and many statements in one round trip."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import orjson
from django.db import DEFAULT_DB_ALIAS, connection, connections, models

from lib.db.tables import Row, Table
from lib.db.tables import table as table_of
from lib.db.values import PASS_TIMES, is_postgres, plain
from lib.db.watch import count

COPY_FROM_ROWS = 50


class Answer:
    """The rows of one statement, read when they are needed: inside `together()` that is after the block."""

    def __init__(self, cursor: Any = None):
        self._found: Any = cursor
        self._part: tuple[Answer, int] | None = None
        self._rows: list[tuple[Any, ...]] | None = None

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        if self._rows is None:
            if self._part is not None:
                together, place = self._part
                found = orjson.loads(together.rows[0][place] or b"[]")
                self._rows = [tuple(row.values()) for row in found]
            else:
                assert self._found is not None, "an answer is read after its together() ends"
                self._rows = self._found.rows if is_postgres() else self._fetched()
        return self._rows

    def _fetched(self) -> list[tuple[Any, ...]]:
        with self._found as cursor:
            return cursor.fetchall() if cursor.description else []

    @property
    def one(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    @property
    def count(self) -> int:
        return int(self._found.count if is_postgres() else self._found.rowcount)


Statement = tuple[str, Sequence[Any], Answer]


@dataclass(slots=True)
class _Gathered:
    """What a `together()` sends when it ends."""

    few: bool
    asks: list[Statement] = field(default_factory=list)
    looks: list[Statement] = field(default_factory=list)
    writes: list[Statement] = field(default_factory=list)

    def statements(self) -> list[Statement]:
        looks = _looks_as_one(self.looks) if self.few else self.looks
        return [*self.asks, *looks, *_writes_as_one(self.writes)]


_gathered: ContextVar[_Gathered | None] = ContextVar("gathered", default=None)

Check = Callable[[list[tuple[Any, ...]]], None]
_open_question: ContextVar[tuple[str, Sequence[Any], Check] | None] = ContextVar(
    "open_question", default=None
)


def for_update(alias: str, *, skip_locked: bool = False) -> str:
    """Return the locking clause. On SQLite it is empty: IMMEDIATE transactions have one writer."""
    if not is_postgres():
        return ""
    return f" FOR UPDATE OF {alias}{' SKIP LOCKED' if skip_locked else ''}"


@contextmanager
def together(wanted: bool = True, *, few: bool = True) -> Iterator[None]:
    """
    Gather the statements of this block and send them when it ends, in one round trip where the database can.

    What is asked comes first, in order, then the `look`s, then the writes. Of `few` rows all looks are one
    statement; many are read faster as they are.
    """
    if not wanted or not is_postgres() or _gathered.get() is not None:
        yield
        return
    gathered = _Gathered(few)
    token = _gathered.set(gathered)
    try:
        yield
    finally:
        _gathered.reset(token)
    _send(gathered.statements())


@contextmanager
def apart() -> Iterator[None]:
    """Send the statements of this block at once, each by itself, also where others are gathered around it."""
    token = _gathered.set(None)
    try:
        yield
    finally:
        _gathered.reset(token)


def _send(statements: Sequence[Statement]) -> None:
    if not statements:
        return
    open_question = _open_question.get()
    if open_question is None:
        _exchange(statements)
        return
    sql, params, check = open_question
    answer = Answer()
    _exchange([(sql, params, answer), *statements])
    _open_question.set(None)
    check(answer.rows)


def _exchange(statements: Sequence[Statement]) -> None:
    from lib.db.wire import wire

    count(trips=1)
    for sql, _, _ in statements:
        count(statements=1, sql=sql)
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    with here.wrap_database_errors:
        results = wire(here.connection).send([(sql, params) for sql, params, _ in statements])
    for (_, _, answer), result in zip(statements, results, strict=True):
        answer._found = result


def confirm(sql: str, params: Sequence[Any], check: Check) -> None:
    """
    Ask this together with the next statement, at the latest before the next commit or `confirmed()`; `check`
    gets the rows and raises if what was taken for granted until then does not hold.
    """
    if is_postgres():
        _open_question.set((sql, params, check))
    else:
        check(ask(sql, params).rows)


def confirmed() -> None:
    """Ask now what `confirm` left open, if no statement took it along."""
    if (open_question := _open_question.get()) is not None:
        sql, params, check = open_question
        _open_question.set(None)
        check(ask(sql, params).rows)


def _looks_as_one(looks: Sequence[Statement]) -> list[Statement]:
    """
    Return the statement that answers all of these: a statement costs the client and the server more than
    the few rows it finds. Each becomes a column of JSON.
    """
    if len(looks) < 2:
        return list(looks)
    whole = Answer()
    for place, (_, _, answer) in enumerate(looks):
        answer._part = (whole, place)
    parts = ", ".join(
        f"(SELECT json_agg(l{place})::text FROM ({sql}) AS l{place})"
        for place, (sql, _, _) in enumerate(looks)
    )
    return [(f"SELECT {parts}", [param for _, params, _ in looks for param in params], whole)]


def _writes_as_one(writes: Sequence[Statement]) -> list[Statement]:
    """Return WITH one AS (INSERT ...), ...: each of them stands alone, so that they may run in any order."""
    if len(writes) < 2:
        return list(writes)
    whole = Answer()
    counted: list[str] = []
    for place, (sql, _, answer) in enumerate(writes):
        if sql.endswith(_COUNTED):
            answer._part = (whole, len(counted))
            counted.append(f"(SELECT json_agg(w{place})::text FROM w{place})")
    parts = ", ".join(f"w{place} AS ({sql})" for place, (sql, _, _) in enumerate(writes))
    params = [param for _, params, _ in writes for param in params]
    return [(f"WITH {parts} SELECT {', '.join(counted) or '1'}", params, whole)]


_COUNTED = " RETURNING 1"


def _put(sql: str, params: Sequence[Any], kind: Literal["asks", "looks", "writes"]) -> Answer:
    """Send a statement, or gather it among its kind inside `together()`."""
    answer = Answer()
    gathered = _gathered.get()
    if gathered is None:
        _send([(sql, params, answer)])
    else:
        getattr(gathered, kind).append((sql, params, answer))
    return answer


def ask(sql: str, params: Sequence[Any] = ()) -> Answer:
    """Run one statement with `%s` parameters and return its answer."""
    if not is_postgres():
        cursor = connection.cursor()
        cursor.execute(_given_first(sql), [plain(value) for value in params])
        return Answer(cursor)
    return _put(sql, params, "asks")


def look(sql: str, params: Sequence[Any] = ()) -> Answer:
    """
    Run one SELECT that locks nothing, for a few rows whose columns have names of their own.

    Inside `together()` all looks are one statement. Times and dates are then text: read them by `db.time`
    and `db.day`.
    """
    return _put(sql, params, "looks") if is_postgres() else ask(sql, params)


@lru_cache(maxsize=512)
def _given_first(sql: str) -> str:
    # SQLite knows no size of json_each: it scans the table and reads all the given rows again for each of
    # its rows (measured: 12 s for 28,000). CROSS JOIN is its way to be told which comes first.
    return _GIVEN_JOIN.sub(r"\1CROSS JOIN", sql)


_GIVEN_JOIN = re.compile(r"(json_each\(%s\)\) AS given\s+)JOIN\b")


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
    elif on_conflict or len(rows) < COPY_FROM_ROWS or _gathered.get() is not None:
        _put(
            table.insert_rows + (f" ON CONFLICT {on_conflict}" if on_conflict else ""),
            [orjson.dumps(rows).decode()],
            "writes",
        )
    else:
        _copy(table, rows)


def claim(model: type[models.Model], row: Row, *, on_conflict: str, params: Sequence[Any] = ()) -> Answer:
    """
    Insert one row that somebody else may have inserted; the answer has a row if it was inserted or updated.

    :param on_conflict: what follows ON CONFLICT; `params` are its own, for its `%s`
    """
    table = table_of(model, tuple(row))
    sql = f"{table.insert_values} ON CONFLICT {on_conflict}{_COUNTED}"
    # As plain values: what is kept of a long batch is a megabyte, which the database would first read as JSON.
    values = [*table.flat(row), *params]
    return _put(sql, values, "writes") if is_postgres() else ask(sql, values)


def _copy(table: Table, rows: Sequence[Row]) -> None:
    count(statements=1, trips=1, sql=table.copy_rows)
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    from psycopg import Cursor

    with (
        here.wrap_database_errors,
        Cursor(here.connection) as cursor,
        cursor.copy(table.copy_rows) as sink,
    ):
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
        _put(
            f"UPDATE {table.name} SET {sets} FROM (SELECT * FROM json_to_recordset(%s::json) "
            f"AS r({table.types}) {_limit(len(rows))}) AS given WHERE {match} {extra}",
            [orjson.dumps(rows).decode()],
            "writes",
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
        if len(values) == 1:  # of an array the planner expects more, and would plan every time anew
            return f"{column} = %s::{kind}", list(values)
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
