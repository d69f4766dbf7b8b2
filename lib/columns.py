"""
Many rows as columns of numbers: read from the database into numpy, and written back, without a Python object
per value. On PostgreSQL both travel as binary COPY; on SQLite row by row.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from numpy.typing import NDArray

from lib.db import is_postgres
from lib.db.values import plain

Columns = dict[str, NDArray[Any]]

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_AT_ONCE = 100_000
# Dates are days since 1 January 2000 there; here all days are counted from 1 January 1970.
_PG_EPOCH = 10_957
_KINDS = {"BigIntegerField": ">i8", "SmallIntegerField": ">i2", "IntegerField": ">i4", "FloatField": ">f8",
          "DateField": ">i4"}  # fmt: skip


def read(sql: str, params: Sequence[Any], names: Sequence[str]) -> Columns:
    """Return the columns of a SELECT whose values are all whole numbers of 64 bits (bigint), none of them NULL."""
    parts = list(_pieces(sql, params, len(names)))
    whole = np.concatenate(parts) if parts else np.empty((0, len(names)), np.int64)
    return {name: np.ascontiguousarray(whole[:, place]) for place, name in enumerate(names)}


def _pieces(sql: str, params: Sequence[Any], width: int) -> Iterator[NDArray[np.int64]]:
    if not is_postgres():
        with connection.cursor() as cursor:
            cursor.execute(sql, [plain(value) for value in params])
            while rows := cursor.fetchmany(_AT_ONCE):
                yield np.array(rows, np.int64).reshape(-1, width)
        return
    from psycopg import Cursor

    one = np.dtype(
        [("width", ">i2")] + [(f"f{n}", [("size", ">i4"), ("value", ">i8")]) for n in range(width)]
    )
    here = connections[DEFAULT_DB_ALIAS]
    here.ensure_connection()
    with (
        here.wrap_database_errors,
        Cursor(here.connection) as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT BINARY)", params) as source,
    ):
        held = bytearray()
        skip = len(_HEADER)
        for piece in source:
            held += piece
            if len(held) > one.itemsize * _AT_ONCE + skip:
                yield _numbers(held, one, skip, width)
                skip = 0
        if len(held) > skip + 2:
            yield _numbers(held, one, skip, width)


def _numbers(held: bytearray, one: np.dtype[Any], skip: int, width: int) -> NDArray[np.int64]:
    """Take whole rows off `held`, and leave what is not one yet (or is the end mark)."""
    count = (len(held) - skip) // one.itemsize
    rows = np.frombuffer(bytes(held[skip : skip + count * one.itemsize]), one)
    del held[: skip + count * one.itemsize]
    if any((rows[f"f{place}"]["size"] != 8).any() for place in range(width)):
        raise ValueError("A column is no bigint, or a value is NULL.")
    return np.stack([rows[f"f{place}"]["value"].astype(np.int64) for place in range(width)], axis=1)


def write(model: type[models.Model], columns: Mapping[str, Any]) -> None:
    """
    Insert rows given as columns (by column name): numbers, or days since 1970 for dates; one number stands for
    all rows. Call it inside a transaction.
    """
    fields = {str(field.column): field for field in model._meta.concrete_fields}
    length = max((len(values) for values in columns.values() if np.ndim(values)), default=1)
    if not length:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    if not is_postgres():
        rows = zip(*(_plain(fields[name], values, length) for name, values in columns.items()), strict=True)
        marks = ", ".join(["%s"] * len(columns))
        with connection.cursor() as cursor:
            cursor.executemany(f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({marks})', list(rows))
        return
    from psycopg import Cursor

    kinds = [(name, np.dtype(_KINDS[fields[name].get_internal_type()])) for name in columns]
    one = np.dtype([("width", ">i2")] + [(name, [("size", ">i4"), ("value", kind)]) for name, kind in kinds])
    here = connections[DEFAULT_DB_ALIAS]
    with (
        here.wrap_database_errors,
        Cursor(here.connection) as cursor,
        cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN (FORMAT BINARY)') as sink,
    ):
        sink.write(_HEADER)
        for start in range(0, length, _AT_ONCE):
            sink.write(_rows(fields, kinds, one, columns, start, min(start + _AT_ONCE, length)))
        sink.write(struct.pack(">h", -1))


def _rows(
    fields: Mapping[str, Any],
    kinds: Sequence[Any],
    one: np.dtype[Any],
    columns: Mapping[str, Any],
    start: int,
    end: int,
) -> bytes:
    rows = np.empty(end - start, one)
    rows["width"] = len(kinds)
    for name, kind in kinds:
        values = np.asarray(columns[name])
        part = values[start:end] if values.ndim else values
        is_date = fields[name].get_internal_type() == "DateField"
        rows[name]["size"] = kind.itemsize
        rows[name]["value"] = part - _PG_EPOCH if is_date else part
    return rows.tobytes()


def _plain(field: Any, values: Any, length: int) -> list[Any]:
    array = np.broadcast_to(np.asarray(values), (length,))
    if field.get_internal_type() == "DateField":
        return [str(day) for day in array.astype("datetime64[D]")]
    return list(array.tolist())
