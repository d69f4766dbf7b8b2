"""
The one place that knows which database this is.

Commands own the transaction (`@command`), steps require one (`@inside_transaction`). `ask`, `insert`,
`update` and `upsert` speak SQL that is the same text for one row and for a thousand; on PostgreSQL the
rows travel as one JSON parameter, or by COPY when there are many, and statements inside `together()`
share one round trip (psycopg's pipeline mode). On SQLite the same calls run one after another.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from functools import cache, lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import orjson
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.utils.dateparse import parse_datetime

from lib import public_ids

P = ParamSpec("P")
R = TypeVar("R")
Row = Mapping[str, Any]

COPY_FROM_ROWS = 50
ATTEMPTS = 5
_RETRY_STATES = {"40001", "40P01"}

# What stores an answer; it may return a check, which is run once the statements before it are known to be done.
Store = Callable[[Any], Callable[[], None] | None]
_answer: ContextVar[Store | None] = ContextVar("answer", default=None)
_stored: ContextVar[list[Callable[[], None] | None]] = ContextVar("stored")
_dry_run: ContextVar[bool] = ContextVar("dry_run", default=False)
# What `together()` gathers: None outside of it, else the writes not sent yet.
_pipeline: ContextVar[list[tuple[str, str]] | None] = ContextVar("pipeline", default=None)
_watch: ContextVar["Watch | None"] = ContextVar("watch", default=None)


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


def after_commit(act: Callable[[], None]) -> None:
    """Run `act` once the caller's transaction is committed; never if it is rolled back."""
    transaction.on_commit(act, robust=True)


# --- statements -------------------------------------------------------------------------------------


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


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


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
    _count(trips=1)
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
        cursor.execute(_given_first(sql), [_plain(value) for value in params])
        return Answer(cursor)
    if _pipeline.get():
        _send_writes()
    _count(statements=1, trips=1 if _pipeline.get() is None else 0, sql=sql)
    connection.ensure_connection()
    with connection.wrap_database_errors:
        cursor = _server_cursor()
        cursor.execute(sql, params)
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
    table = _table(model, tuple(rows[0]))
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


def _copy(table: "_Table", rows: Sequence[Row]) -> None:
    _count(statements=1, trips=1, sql=table.copy_rows)
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
        table = _table(model, tuple(rows[0]))
        sets = ", ".join(f'"{name}" = given."{name}"' for name in columns)
        match = " AND ".join(f'{table.name}."{name}" = given."{name}"' for name in key)
        _write(
            f"UPDATE {table.name} SET {sets} FROM (SELECT * FROM json_to_recordset(%s::json) "
            f"AS r({table.types}) {_limit(len(rows))}) AS given WHERE {match} {extra}",
            orjson.dumps(rows).decode(),
        )
        return
    table = _table(model, (*columns, *key))
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
        [dict(zip(columns, row, strict=True)) for row in rows], default=_plain, option=_PASS
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


class _Table:
    def __init__(self, model: type[models.Model], columns: tuple[str, ...]):
        fields = {
            field.column: field for field in model._meta.local_concrete_fields if field.column is not None
        }
        chosen = [fields[name] for name in columns]
        self.name = f'"{model._meta.db_table}"'
        self.columns = columns
        self.ways = [(name, _way(field)) for name, field in zip(columns, chosen, strict=True)]
        names = ", ".join(f'"{name}"' for name in columns)
        self.types = ", ".join(
            f'"{name}" {field.rel_db_type(connection) if field.is_relation else field.db_type(connection)}'
            for name, field in zip(columns, chosen, strict=True)
        )
        marks = ", ".join(["%s"] * len(columns))
        self.insert_values = f"INSERT INTO {self.name} ({names}) VALUES ({marks})"
        picks = ", ".join(f'given."{name}"' for name in columns)
        self.insert_rows = (
            f"INSERT INTO {self.name} ({names}) SELECT {picks} "
            f"FROM json_to_recordset(%s::json) AS given({self.types})"
        )
        self.copy_rows = f"COPY {self.name} ({names}) FROM STDIN"

    def flat(self, row: Row) -> tuple[Any, ...]:
        # The way of each column is known before: a chunk of an import comes here a hundred thousand times.
        return tuple([way(row[name]) if way else row[name] for name, way in self.ways])


def _way(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
    """Return what makes a value of this column what the driver stores; None where it is that already."""
    if isinstance(field, models.JSONField):
        return _json
    if is_postgres() or not isinstance(field, models.DateField | models.TimeField):
        return None
    return _text


def _text(value: Any) -> str | None:
    """Return a time as SQLite keeps it: text, in UTC, without its zone, as Django does."""
    if isinstance(value, datetime):
        return str(value if value.tzinfo is UTC else value.astimezone(UTC))[:-6]
    return value.isoformat() if value is not None else None


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


@cache
def _table_for(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> _Table:
    return _Table(model, columns)


def _table(model: type[models.Model], columns: tuple[str, ...]) -> _Table:
    return _table_for(model, columns, connection.vendor)


_PASS = orjson.OPT_PASSTHROUGH_DATETIME


def _plain(value: Any) -> Any:
    """Return what the database's driver stores: SQLite keeps times as text in UTC, as Django does."""
    if isinstance(value, datetime):
        if is_postgres():
            return value.isoformat()
        return str(value if value.tzinfo is UTC else value.astimezone(UTC))[:-6]  # without +00:00
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def time(value: Any) -> datetime | None:
    """Return a time read by `ask` as an aware datetime: SQLite hands it over as text, or without its zone."""
    if value is None:
        return None
    read = value if isinstance(value, datetime) else parse_datetime(value)
    return read.replace(tzinfo=UTC) if read is not None and read.tzinfo is None else read


def day(value: Any) -> date:
    """Return a date read by `ask` as a date: SQLite hands it over as text."""
    return value if isinstance(value, date) else date.fromisoformat(value)


def loaded(value: Any) -> Any:
    """Return JSON read by `ask` as Python values."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


# --- counting, for tests and for the benchmark ---------------------------------------------------------


class Watch:
    """How many statements and round trips a block took."""

    def __init__(self) -> None:
        self.statements = 0
        self.trips = 0
        self.texts: list[str] = []


def _count(*, statements: int = 0, trips: int = 0, sql: str = "") -> None:
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
            _count(statements=1, trips=1, sql=sql)
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(through_django):
            yield watch
    finally:
        _watch.reset(token)
