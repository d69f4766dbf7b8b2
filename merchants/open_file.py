"""
A whole merchant as one open file: JSON lines that any program can read, and that import again to the same.

What it holds is said by the rooms (settings.OPEN_FILE), in the order in which it is written and read. The
import is one transaction: either the merchant is here whole, with books that add up, or nothing is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.module_loading import import_string

from lib import db, signing
from lib.errors import Conflict, Malformed, Refused
from merchants import open_rows
from merchants.models import Merchant
from merchants.open_rows import Arrival, BadLine, Line, Row, Table, Told

FORMAT = "loyalty-open-file"
VERSION = 1
CHUNK = 1000
MERCHANT = ("slug", "name", "currency", "timezone", "country", "language", "color", "is_test")

Opened = AbstractContextManager[Iterable[bytes]]


class NotEmpty(Conflict):
    """The merchant has customers or a program already: two merchants are never mixed."""

    code = "merchant_not_empty"


class NotAnOpenFile(Malformed):
    code = "invalid_open_file"


class BooksDiffer(Refused):
    """What the file says does not add up."""

    code = "books_differ"


@dataclass(slots=True)
class Arrived:
    """What an import brought: lines by kind, and what could not be carried, by a sentence."""

    merchant: Merchant
    lines: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


def sections() -> list[Table | Told]:
    """Return what the rooms put into the file, in its order."""
    return [section for path in settings.OPEN_FILE for section in import_string(path)]


def described() -> list[str]:
    """Return a row per kind with its columns, as docs/guides/open-file.md lists them."""
    found = []
    for section in sections():
        names = ["name", "text"]
        if isinstance(section, Table):
            names = [section.opened.get(name, name) for name, _, _ in section.columns()]
        found.append(f"| `{section.kind}` | {', '.join(f'`{name}`' for name in names)} |")
    return found


def count(merchant: Merchant) -> int:
    """Return how many rows the file will have."""
    return sum(table.rows(merchant).count() for table in sections() if isinstance(table, Table))


def export(
    *,
    merchant: Merchant,
    at: datetime,
    write: Callable[[bytes], Any],
    each: Callable[[int], None] | None = None,
) -> Counter[str]:
    """
    Write the merchant as of one moment, line by line; return how many lines there are of each kind.

    The memory it takes does not grow with the merchant. `each` hears how many lines were written since.
    """
    lines: Counter[str] = Counter()
    with db.snapshot():
        write(_dumped(_header(merchant, at)))
        for section in sections():
            for line in _lines_of(section, merchant):
                write(_dumped(line))
                lines[section.kind] += 1
                if each and lines[section.kind] % CHUNK == 0:
                    each(CHUNK)
        write(_dumped({"line": "end", "lines": dict(lines)}))
    return lines


def _header(merchant: Merchant, at: datetime) -> Line:
    told = {name: getattr(merchant, name) for name in MERCHANT}
    return {
        "line": FORMAT,
        "version": VERSION,
        "exported_at": at.isoformat(),
        "keys": _keys(),
        "merchant": told,
    }


def _keys() -> str:
    """Return what tells whether keyed hashes of a file are this installation's own; it opens nothing."""
    return signing.fingerprint("open file")[:16]


def _lines_of(section: Table | Told, merchant: Merchant) -> Iterator[Line]:
    if isinstance(section, Told):
        for line in section.tells(merchant):
            yield {"line": section.kind, **line}
        return
    for row in section.rows(merchant).iterator(CHUNK):
        yield open_rows.line_of(section, row)


def _dumped(line: Line) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@db.command
def load(
    *,
    open: Callable[[], Opened],
    slug: str = "",
    at: datetime,
    each: Callable[[str, int], None] | None = None,
) -> Arrived:
    """
    Import a whole file into a merchant that is new, or empty: all of it, or nothing.

    :param open: opens the file anew, as often as the command is run again
    :param slug: the merchant's name here; empty: as in the file
    :param each: hears the kind and how many lines of it were read since
    :raises NotAnOpenFile: it is none, is cut off, or of a later version
    :raises NotEmpty: the merchant has customers or a program
    :raises BooksDiffer: balances and entries do not agree
    """
    with open() as file:
        numbered = enumerate(file, start=1)
        arrived, arrival = _begin(numbered, slug, at)
        reading = _Reading(arrived, arrival, each)
        for number, text in numbered:
            try:
                if reading.take(_parsed(text)):
                    break
            except BadLine as bad:
                raise NotAnOpenFile(f"Line {number}: {bad}.") from None
        else:
            raise NotAnOpenFile("The file is cut off: its last line is not there. Export it again.")
        if next(numbered, None) is not None:
            raise NotAnOpenFile("There are lines after the last one. Export it again.")
    _insist(arrived.merchant)
    return arrived


class _Reading:
    """Rows on their way: gathered by kind, and inserted a thousand at a time."""

    def __init__(self, arrived: Arrived, arrival: Arrival, each: Callable[[str, int], None] | None):
        self.arrived, self.arrival, self.each = arrived, arrival, each
        self.order = sections()
        self.place = 0
        self.rows: list[Row] = []

    def take(self, line: Line) -> bool:
        """Take one line; return whether it was the last."""
        kind = line.get("line")
        if kind == "end":
            self._flush()
            if dict(self.arrived.lines) != line.get("lines"):
                raise BadLine(
                    "lines are missing: the last line counts others than there are. Export it again"
                )
            return True
        while self.order[self.place].kind != kind:
            self._flush()
            self.place += 1
            if self.place == len(self.order):
                raise BadLine(f"there is no line {kind!r} in this version, or it is not in its place")
        section = self.order[self.place]
        self.arrived.lines[section.kind] += 1
        if isinstance(section, Table):
            self.rows.append(open_rows.row_of(section, line, self.arrival))
            if len(self.rows) >= CHUNK:
                self._flush()
        return False

    def _flush(self) -> None:
        section = self.order[min(self.place, len(self.order) - 1)]
        if self.rows and isinstance(section, Table):
            db.insert(section.model, self.rows)
            if section.lands:
                section.lands(self.rows, self.arrival)
            if self.each:
                self.each(section.kind, len(self.rows))
        self.rows = []


def _begin(numbered: Iterator[tuple[int, bytes]], slug: str, at: datetime) -> tuple[Arrived, Arrival]:
    try:
        head = _parsed(next(numbered, (1, b""))[1])
    except BadLine:
        head = {}
    if head.get("line") != FORMAT:
        raise NotAnOpenFile(
            "This is not an open file of a merchant: its first line says nothing of the kind."
        )
    if head.get("version") != VERSION:
        raise NotAnOpenFile(f"The file is of version {head.get('version')}; version {VERSION} is read here.")
    told = head.get("merchant")
    if not isinstance(told, dict) or told.keys() != set(MERCHANT):
        raise NotAnOpenFile("Line 1: the merchant is not said as it should be.")
    merchant = _empty_merchant({**told, "slug": slug or told["slug"]})
    arrival = Arrival(merchant=merchant, at=at, has_keys=head.get("keys") == _keys())
    return Arrived(merchant, left=arrival.left), arrival


def _empty_merchant(told: Row) -> Merchant:
    """Return the merchant of this slug, made or made like the file's if it is empty."""
    found = Merchant.objects.select_for_update().filter(slug=told["slug"]).first()
    if found and any(table.rows(found).exists() for table in sections() if isinstance(table, Table)):
        raise NotEmpty(
            f"There is a merchant {told['slug']!r} with rows of its own. Choose another name with --as."
        )
    merchant = found or Merchant()
    for name, value in told.items():
        setattr(merchant, name, value)
    try:
        merchant.full_clean(exclude=["slug"] if found else None)
    except ValidationError as error:
        raise NotAnOpenFile(f"The merchant cannot be: {'; '.join(error.messages)}") from None
    merchant.save()
    return merchant


def _parsed(text: bytes) -> Line:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadLine("it is not JSON") from None
    if not isinstance(line, dict):
        raise BadLine("it is not a JSON object")
    return line


def _insist(merchant: Merchant) -> None:
    for path in settings.BOOKS:
        for difference in import_string(path)(merchant_id=merchant.pk):
            raise BooksDiffer(f"The books of the file do not add up, nothing was imported: {difference}.")
