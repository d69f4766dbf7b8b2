"""
Statements on the wire to PostgreSQL, through psycopg's own layer over libpq.

psycopg's cursors cost more than the small statements of a sale: they can be interrupted, stream and adapt
anything, and of that nothing is needed here. What is kept of psycopg: its connection, the values' way to
the database and back (`Transformer`), and its errors. Measured for the transaction of a sale: 126 µs of
this process instead of 312. As with libpq everywhere, Ctrl-C waits for the running statement.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from select import POLLIN, POLLOUT, poll
from typing import Any

from psycopg import Connection, OperationalError, errors, pq
from psycopg.adapt import PyFormat, Transformer

# More than all statements of a busy process; beyond it the one used longest ago is forgotten.
MOST_STATEMENTS = 400
# What may be sent ahead of its answers. Far below a socket's buffers: with more, both sides could wait for
# each other to read.
MOST_AHEAD = 16 * 1024
_BINARY = pq.Format.BINARY
_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Result:
    """What the database answered to one statement."""

    __slots__ = ("_prepared", "_result")

    def __init__(self, result: Any, prepared: "_Statement"):
        self._result, self._prepared = result, prepared

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return self._prepared.load(self._result)

    @property
    def count(self) -> int:
        """How many rows the statement found or changed."""
        return self._result.command_tuples or 0


class _Statement:
    """A text of SQL with the types of its parameters, on one connection."""

    __slots__ = ("_loader", "name", "sql", "types", "uses")

    def __init__(self, sql: str, types: Sequence[int], connection: "Connection[Any]"):
        self.sql, self.types = _numbered(sql), types
        self.name = b""  # until it is prepared
        self.uses = 0
        self._loader = Transformer(connection)

    def load(self, result: Any) -> list[tuple[Any, ...]]:
        if result.status != pq.ExecStatus.TUPLES_OK:
            return []
        # The columns of a prepared statement never change their types.
        self._loader.set_pgresult(result, set_loaders=not self.name or self._loader.pgresult is None)
        return self._loader.load_rows(0, result.ntuples, tuple)


class Wire:
    """One connection to the database."""

    def __init__(self, connection: "Connection[Any]"):
        self._connection = connection
        self._pgconn = connection.pgconn
        self._dumper = Transformer(connection)
        self._statements: OrderedDict[tuple[str, tuple[int, ...]], _Statement] = OrderedDict()
        self._made = 0
        self._readable, self._writable = poll(), poll()
        self._readable.register(self._pgconn.socket, POLLIN)
        self._writable.register(self._pgconn.socket, POLLOUT)

    def send(self, asked: Sequence[tuple[str, Sequence[Any]]]) -> list[Result]:
        """
        Run these statements in order, in one round trip if they are short; the first in a transaction
        begins it on the way.

        :raises psycopg.Error: of the first that fails; those after it are not run
        """
        first: list[tuple[str, Sequence[Any]]] = [("BEGIN", ())] if self._begins() else []
        ready = [self._ready(sql, params) for sql, params in (*first, *asked)]
        if len(ready) > 1 and sum(_size(values) for _, values, _ in ready) < MOST_AHEAD:
            found = self._ahead(ready)
        else:
            found = [self._alone(*one) for one in ready]
        return found[len(first) :]

    def _begins(self) -> bool:
        return (
            self._pgconn.transaction_status == pq.TransactionStatus.IDLE and not self._connection.autocommit
        )

    def _ready(self, sql: str, params: Sequence[Any]) -> tuple[_Statement, Sequence[Any], Any]:
        """Return the statement, prepared if it is used often, with its values as they travel."""
        dumper = self._dumper
        values = dumper.dump_sequence(params, _auto(len(params)))
        types = tuple(dumper.types or ())
        statement = self._statements.get((sql, types))
        if statement is None:
            statement = self._statements[sql, types] = _Statement(sql, types, self._connection)
            if len(self._statements) > MOST_STATEMENTS:
                self._forget_one()
        else:
            self._statements.move_to_end((sql, types))
        statement.uses += 1
        threshold = self._connection.prepare_threshold
        if not statement.name and threshold is not None and statement.uses > threshold:
            self._prepare(statement)
        return statement, values, dumper.formats

    def _prepare(self, statement: _Statement) -> None:
        self._made += 1
        name = b"loyalty_%d" % self._made
        self._checked(self._pgconn.prepare(name, statement.sql, statement.types))
        statement.name = name

    def _forget_one(self) -> None:
        _, statement = self._statements.popitem(last=False)
        if statement.name:
            self._checked(self._pgconn.close_prepared(statement.name))

    def _alone(self, statement: _Statement, values: Sequence[Any], formats: Any) -> Result:
        if statement.name:
            result = self._pgconn.exec_prepared(statement.name, values, formats, _BINARY)
        else:
            result = self._pgconn.exec_params(statement.sql, values, statement.types, formats, _BINARY)
        return Result(self._checked(result), statement)

    def _ahead(self, ready: Sequence[tuple[_Statement, Sequence[Any], Any]]) -> list[Result]:
        """Send all, then read all answers: libpq's pipeline."""
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        try:
            for statement, values, formats in ready:
                if statement.name:
                    pgconn.send_query_prepared(statement.name, values, formats, _BINARY)
                else:
                    pgconn.send_query_params(statement.sql, values, statement.types, formats, _BINARY)
            pgconn.pipeline_sync()
            while pgconn.flush():
                self._writable.poll()
            found = [self._next() for _ in ready]
            self._synced()
        finally:
            if pgconn.status == pq.ConnStatus.OK:
                pgconn.exit_pipeline_mode()
        return [
            Result(self._checked(result), statement)
            for result, (statement, _, _) in zip(found, ready, strict=True)
        ]

    def _next(self) -> Any:
        """Return one statement's result; a None follows each."""
        result = self._got()
        if result is None or self._got() is not None:
            raise self._lost()
        return result

    def _got(self) -> Any:
        """Return what comes next. libpq would wait for it with the interpreter's lock held."""
        while self._pgconn.is_busy():
            self._readable.poll()
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _synced(self) -> None:
        end = self._got()
        if end is None or end.status != pq.ExecStatus.PIPELINE_SYNC:
            raise self._lost()

    def _checked(self, result: Any) -> Any:
        if result.status in _GOOD:
            return result
        if self._pgconn.status != pq.ConnStatus.OK:
            raise self._lost()
        raise errors.error_from_result(result, self._connection.info.encoding)

    def _lost(self) -> OperationalError:
        return OperationalError(f"the connection is lost: {self._pgconn.get_error_message()}")


# A wire holds its connection, so it is kept there and nowhere else: both go together.
_KEPT_AS = "_loyalty_wire"


def wire(connection: "Connection[Any]") -> Wire:
    """Return the wire of a connection, always the same."""
    found: Wire | None = getattr(connection, _KEPT_AS, None)
    if found is None:
        found = Wire(connection)
        setattr(connection, _KEPT_AS, found)
    return found


@lru_cache(maxsize=2048)
def _numbered(sql: str) -> bytes:
    """Return the SQL with `$1` for the first `%s`, and so on."""
    first, *rest = sql.split("%s")
    text = first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))
    return text.replace("%%", "%").encode()


@lru_cache(maxsize=256)
def _auto(many: int) -> list[PyFormat]:
    return [PyFormat.AUTO] * many


def _size(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if value is not None)
