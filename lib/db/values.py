"""Values on their way to the database and back: SQLite keeps times as text, both hand JSON over as text."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
from django.db import connection, models
from django.utils.dateparse import parse_datetime

PASS_TIMES = orjson.OPT_PASSTHROUGH_DATETIME


@cache
def is_postgres() -> bool:
    """Tell which database this is. A process has one, so it is asked once."""
    return connection.vendor == "postgresql"


def way(field: "models.Field[Any, Any]") -> Callable[[Any], Any] | None:
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


def plain(value: Any) -> Any:
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
