"""
Rows as lines of the open file, and back: names of columns, ids with their prefix, times in UTC.

An id is mapped by turning over some of its low bits, the same ones in the whole file: so every row and every
mention of it agree without a table of all ids in memory, and its place in time stays.
"""

import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.dateparse import parse_date, parse_datetime

from lib import public_ids
from lib.errors import Malformed
from merchants.models import Merchant

Row = dict[str, Any]
Line = dict[str, Any]
# JSON readers elsewhere lose digits above this; below it no id of ours is.
LARGEST_NUMBER = 1 << 53
_ID = re.compile(r"\b([a-z]{3})_([0-9a-hjkmnp-tv-z]{13})\b")
_CONNECTION = re.compile(r"\bcnx_[0-9a-hjkmnp-tv-z]{13}\b")
_LONG = re.compile(r"(?<![0-9A-Za-z])[0-9]{16,19}(?![0-9A-Za-z])")


class BadLine(Malformed):
    """A line cannot be read. The message names its number and what is wrong."""

    code = "invalid_open_file"


@dataclass(slots=True)
class Arrival:
    """
    One import: whom the rows are for now, and what is done to every id.

    `has_keys` says that keyed hashes of the file are this installation's own; `left` counts, by a sentence,
    what could not be carried; `kept` is for what a table must remember from line to line.
    """

    merchant: Merchant
    at: datetime
    has_keys: bool
    mask: int = 0
    left: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Only the bits that tell processes apart: what one process made in one go keeps its order, and no id of
        # it becomes another's. Should one be taken all the same, the command is run again with other bits.
        self.mask = (1 + secrets.randbelow(2047)) << 10

    def number(self, number: int) -> int:
        return number ^ self.mask

    def text(self, text: str) -> str:
        """Return a text of our own making with the ids in it, shown or as numbers, mapped."""
        shown = _ID.sub(lambda found: self._shown(found.group()), text)
        return _LONG.sub(lambda found: str(self.number(int(found.group()))), shown)

    def source(self, text: str) -> str:
        """Return what a fact came from; connections are told by their ids."""
        return _CONNECTION.sub(lambda found: self._shown(found.group()), text)

    def _shown(self, text: str) -> str:
        prefix = text[:3]
        number = public_ids.read(prefix, text)
        return text if number is None else public_ids.show(prefix, self.number(number))

    def json(self, value: Any) -> Any:
        """Return JSON with the ids in it mapped; `row_...` were plain numbers."""
        match value:
            case dict():
                return {key: self.json(each) for key, each in value.items()}
            case list():
                return [self.json(each) for each in value]
            case str() if _ID.fullmatch(value):
                number = public_ids.read("row", value)
                return self._shown(value) if number is None else self.number(number)
        return value


@dataclass(frozen=True, slots=True, eq=False)  # each is itself: what is read of it is kept
class Table:
    """
    One table of a merchant, a line per row.

    `blank` are columns that are not carried, with what they are on arrival; `ids` plain numbers that are ids of
    other rows, by prefix; `opened` sealed columns with the name under which they are open in the file;
    `order` how the lines are sorted. `shows` changes a line before it is written,
    `arrives` a row before it is inserted, `lands` hears each thousand rows that were.
    """

    kind: str
    model: type[models.Model]
    blank: Mapping[str, Any] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    order: Sequence[Any] = ("pk",)
    opened: Mapping[str, str] = field(default_factory=dict)
    shows: Callable[[Line], Line] | None = None
    arrives: Callable[[Line, Row, Arrival], None] | None = None
    lands: Callable[[Sequence[Row], Arrival], None] | None = None

    def columns(self) -> list[tuple[str, "models.Field[Any, Any]", str]]:
        """Return (name in the file, field, prefix of the ids in it) of each column that is carried."""
        return _columns(self)

    def prefix(self, one: "models.Field[Any, Any]") -> str:
        if one.name in self.ids:
            return self.ids[one.name]
        if one.is_relation:
            return _prefix_of(one.related_model)
        return _prefix_of(self.model) if one.primary_key else ""

    def rows(self, merchant: Merchant) -> Any:
        """Return the queryset of what is carried, as dictionaries by column."""
        names = [one.attname for _, one, _ in self.columns()]
        return (
            self.model._default_manager.filter(merchant_id=merchant.pk).order_by(*self.order).values(*names)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """Lines that only say something to whoever reads the file; an import passes them over."""

    kind: str
    tells: Callable[[Merchant], Sequence[Line]]


@cache
def _columns(table: Table) -> list[tuple[str, "models.Field[Any, Any]", str]]:
    return [
        (one.name.removesuffix("_id") if one.name in table.ids else one.name, one, table.prefix(one))
        for one in table.model._meta.concrete_fields
        if one.attname != "merchant_id" and one.name not in table.blank
    ]


def _prefix_of(model: Any) -> str:
    key = model._meta.pk
    return _prefix_of(key.related_model) if key.is_relation else str(model.prefix)


def line_of(table: Table, row: Row) -> Line:
    """Return a row as it is written."""
    line: Line = {"line": table.kind}
    for name, one, prefix in table.columns():
        line[name] = _written(row[one.attname], one, prefix)
    return table.shows(line) if table.shows else line


def _written(value: Any, one: "models.Field[Any, Any]", prefix: str) -> Any:
    if prefix:
        # 0 says: nothing, by a column that may not be empty.
        return public_ids.show(prefix, value) if value else value
    if isinstance(one, models.JSONField):
        return _readable(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def _readable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _readable(each) for key, each in value.items()}
        case list():
            return [_readable(each) for each in value]
        case int() if value >= LARGEST_NUMBER:
            return public_ids.show("row", value)
    return value


def row_of(table: Table, line: Line, arrival: Arrival) -> Row:
    """
    Return a line as the row it becomes here.

    :raises BadLine: a column is missing, unknown or holds something else than it should
    """
    columns = table.columns()
    strange = line.keys() - {table.opened.get(name, name) for name, _, _ in columns} - {"line"}
    if strange:
        raise BadLine(f"{table.kind} has no {', '.join(sorted(strange))}")
    row: Row = {"merchant_id": arrival.merchant.pk}
    for name, one, prefix in columns:
        if table.opened.get(name, name) not in line:
            raise BadLine(f"{table.kind} lacks {table.opened.get(name, name)}")
        if name in table.opened:  # `arrives` seals it
            continue
        row[one.attname] = _read(line[name], name, one, prefix, arrival)
    by_name = {one.name: one.attname for one in table.model._meta.concrete_fields}
    row |= {by_name[name]: value for name, value in table.blank.items()}
    if table.arrives:
        table.arrives(line, row, arrival)
    return row


def _read(value: Any, name: str, one: "models.Field[Any, Any]", prefix: str, arrival: Arrival) -> Any:
    if prefix:
        if not value:
            return value
        number = public_ids.read(prefix, value) if isinstance(value, str) else None
        if number is None:
            raise BadLine(f"{name} {value!r} is no id like {prefix}_...")
        return arrival.number(number)
    if isinstance(one, models.JSONField):
        return arrival.json(value)
    if value is None:
        return None
    try:
        return _plain(value, name, one, arrival)
    except (ValidationError, ValueError, TypeError):
        raise BadLine(f"{name} cannot be {value!r}") from None


def _plain(value: Any, name: str, one: "models.Field[Any, Any]", arrival: Arrival) -> Any:
    if isinstance(one, models.DateTimeField):
        when = parse_datetime(value)
        if when is None or when.tzinfo is None:
            raise ValueError(value)
        return when.astimezone(UTC)
    if isinstance(one, models.DateField):
        return parse_date(value) or one.to_python(value)
    if isinstance(one, models.DecimalField):
        return str(one.to_python(value))
    read = one.to_python(value)
    if type(read) is not type(value):
        raise ValueError(value)
    return arrival.source(read) if name in ("source", "waits_for") else read
