"""
Customers from a CRM's CSV file, some hundreds at a time, through the same verb as the API's.

What is wrong with a line is said with its number and spoils nothing else. Stopping and starting again is safe:
whoever is known already is unchanged.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connectors import crm
from connectors.column_maps import ColumnMap, Consents
from connectors.crm import Contact
from connectors.crm_answers import Answer
from customers.identifiers import Given
from lib import db
from lib.errors import Malformed
from merchants.models import Merchant

CHUNK = 500


class BadColumns(Malformed):
    code = "invalid_columns"


class BadLine(Malformed):
    code = "invalid_line"


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    row: Sequence[str]
    code: str
    reason: str


@dataclass(slots=True)
class Counts:
    """How many lines there were so far, and what became of them; `kept` counts what a later word kept."""

    lines: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    kept: int = 0


@dataclass(slots=True)
class Chunk:
    contacts: list[Contact] = field(default_factory=list)
    lines: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def load(
    *,
    merchant: Merchant,
    file: Iterable[str],
    map: ColumnMap,
    at: datetime,
    by: str,
    source: str = "",
    welcome: bool = False,
    dry_run: bool = False,
    refuse: Callable[[Sequence[str], Refusal], None] | None = None,
    each: Callable[[Counts], None] | None = None,
) -> Counts:
    """
    Bring in the people of a CSV file; return what became of the lines. Repeating is safe.

    :raises BadColumns: no column holds the other system's ids
    """
    reader = Reader(merchant, file, map)
    counts = Counts()
    for chunk in reader.chunks():
        with db.dry_run(dry_run):
            told = crm.upsert_all(
                merchant=merchant,
                source=source or map.system,
                contacts=chunk.contacts,
                at=at,
                by=by,
                welcome=welcome,
            )
        for one, (line, row) in zip(told, chunk.lines, strict=True):
            setattr(counts, one.status, getattr(counts, one.status) + 1)
            counts.kept += len(one.kept)
            if one.error is not None:
                chunk.refusals.append(Refusal(line, row, one.error.code, str(one.error)))
        counts.rejected += len(chunk.refusals) - sum(1 for one in told if one.error)
        counts.lines = reader.lines
        for refusal in sorted(chunk.refusals, key=lambda one: one.line):
            if refuse:
                refuse(reader.columns, refusal)
        if each:
            each(counts)
    return counts


class Reader:
    """Reads lines into contacts, by a column map."""

    def __init__(self, merchant: Merchant, file: Iterable[str], map: ColumnMap):
        self.merchant, self.map, self.lines = merchant, map, 0
        self.rows = csv.reader(file, strict=True)
        try:
            first = next(self.rows, [])
        except csv.Error as error:
            raise BadColumns(f"The first line cannot be read: {error}.") from error
        self.columns = [name.strip().removeprefix("\ufeff") for name in first]
        self.place = {name.casefold(): number for number, name in enumerate(self.columns)}
        if not self._has(map.columns.get("external_id", [])):
            wanted = " or ".join(map.columns.get("external_id", ["external_id"]))
            raise BadColumns(f"No column is named {wanted}; there is {', '.join(self.columns)[:300]}.")

    def _has(self, names: Sequence[str]) -> bool:
        return any(name in self.place for name in names)

    def chunks(self) -> Iterator[Chunk]:
        chunk = Chunk()
        for line, row in self._numbered():
            self.lines += 1
            try:
                if isinstance(row, csv.Error):
                    raise BadLine(f"The line cannot be read: {row}.")
                if len(row) != len(self.columns):
                    raise BadLine(f"{len(row)} fields where the first line names {len(self.columns)}.")
                chunk.contacts.append(self._contact(row))
                chunk.lines.append((line, row))
            except BadLine as bad:
                shown = [] if isinstance(row, csv.Error) else row
                chunk.refusals.append(Refusal(line, shown, bad.code, str(bad)))
            if len(chunk.lines) + len(chunk.refusals) >= CHUNK:
                yield chunk
                chunk = Chunk()
        if chunk.lines or chunk.refusals:
            yield chunk

    def _numbered(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        while True:
            line = self.rows.line_num + 1
            try:
                row = next(self.rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, error
                continue
            if row:
                yield line, row

    def _first(self, row: Sequence[str], names: Sequence[str]) -> str:
        """Return the first of these columns that holds something."""
        found = (row[self.place[name]].strip() for name in names if name in self.place)
        return next((text for text in found if text), "")

    def _contact(self, row: Sequence[str]) -> Contact:
        said = {name: self._first(row, names) for name, names in self.map.columns.items()}
        full = said.get("name") or " ".join(
            text for text in (said.get("first_name"), said.get("last_name")) if text
        )
        fields = {"name": full[:120], "birthday": self._birthday(said.get("birthday", ""))}
        fields["language"] = said.get("language", "").replace("_", "-")
        return Contact(
            external_id=said["external_id"],
            identifiers=tuple(Given(type, said[type]) for type in crm.OURS if said.get(type)),
            # An empty cell says nothing: exports leave out what they do not know.
            fields={name: text for name, text in fields.items() if text},
            consents=tuple(
                answer for one in self.map.consents if (answer := self._answer(row, one)) is not None
            ),
            changed_at=self._time(said.get("changed_at", "")),
            joined_at=self._time(said.get("joined_at", "")),
        )

    def _answer(self, row: Sequence[str], one: Consents) -> Answer | None:
        at = self._time(self._first(row, one.at))
        if one.says is not None:
            return Answer(one.channel, one.purpose, one.says == "granted", at) if at else None
        word = self._first(row, one.column).casefold()
        if word in one.granted or word in one.withdrawn:
            return Answer(one.channel, one.purpose, word in one.granted, at)
        if word and word not in one.silent:
            raise BadLine(f"{word[:40]!r} is no answer in {one.column[0]}.")
        return None

    def _time(self, text: str) -> datetime | None:
        """Return a time; one without an offset is the merchant's."""
        if not text:
            return None
        for form in self.map.dates:
            try:
                found = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
                if not 1970 <= found.year < 2100:
                    break
                return (found if found.tzinfo else found.replace(tzinfo=self.merchant.zone)).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
        raise BadLine(f"{text[:40]!r} is not a time, like 2026-05-01T12:00:00+02:00.")

    def _birthday(self, text: str) -> str:
        for form in self.map.birthdays:
            # Without a year 02-29 would be no day: each is read in a leap year.
            has_year = "%Y" in form
            try:
                dated, shape = (text, form) if has_year else (f"2024 {text}", f"%Y {form}")
                read = datetime.strptime(dated, shape)  # noqa: DTZ007  (a day has no zone)
            except ValueError:
                continue
            return f"{read:%m-%d}"
        if text:
            raise BadLine(f"{text[:40]!r} is not a birthday.")
        return ""


def shown(counts: Counts, *, dry_run: bool) -> str:
    """Return the counts in a sentence."""
    parts: Mapping[str, int] = {
        "created": counts.created,
        "changed": counts.changed,
        "unchanged": counts.unchanged,
        "refused": counts.rejected,
    }
    said = ", ".join(f"{name} {count:,}" for name, count in parts.items())
    kept = f"; {counts.kept:,} values were kept, because something newer is known" if counts.kept else ""
    return f"{'Would be: ' if dry_run else ''}{counts.lines:,} lines: {said}{kept}."
