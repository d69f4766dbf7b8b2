"""
The rows of another system's file, read by its column map into batches of points.

A row that cannot be read is refused with its number and what to write instead, and spoils no other.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from customers.consent import Choice
from customers.identifiers import Given
from customers.people import Newcomer
from lib import money
from lib.errors import Malformed
from lib.signing import fingerprint
from loyalty import csv_files
from loyalty.column_map import IDENTIFIERS, ColumnMap, Meaning, Unreadable, same
from loyalty.csv_files import Refusal
from loyalty.openings import Opening
from merchants.models import Merchant

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "never"
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CONSENTS: tuple[tuple[Meaning, str], ...] = (("consent_email", "email"), ("consent_sms", "sms"))
_SUMS: tuple[tuple[Meaning, str], ...] = (
    ("qualifying_spend", "spend_minor"),
    ("qualifying_points", "points"),
    ("qualifying_purchases", "orders"),
)


class BadHeaders(Malformed):
    """The first line does not name what is needed, or the file is not text."""

    code = "invalid_columns"


class BadRow(Malformed):
    """One row cannot be read. The message says what to write instead."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Chunk:
    """Some rows of the file, read but not yet brought in."""

    openings: list[Opening] = field(default_factory=list)
    rows: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.rows) + len(self.refusals) + self.skipped


class Table:
    """A CSV file with its headers: yields the cells of each row with the number of its first line."""

    def __init__(self, file: Iterable[str]):
        lines = iter(file)
        first = next(lines, "")
        if "\x00" in first or any("\ud800" <= letter <= "\udfff" for letter in first):
            raise BadHeaders("The file is not UTF-8 text. Save it as CSV in UTF-8.")
        mark = max(",;\t", key=first.count)
        self.headers = [name.strip() for name in next(csv.reader([first], delimiter=mark), [])]
        seen = [same(name) for name in self.headers]
        twice = sorted({name for name, each in zip(self.headers, seen, strict=True) if seen.count(each) > 1})
        if twice or not any(self.headers):
            named = f"names these twice: {', '.join(twice)}" if twice else "names no columns"
            raise BadHeaders(f"The first line {named}. Rename the columns or take some out.")
        self._rows = csv.reader(lines, delimiter=mark)

    def __iter__(self) -> Iterator[tuple[int, list[str] | BadRow]]:
        """Yield (line, cells), and for a broken row what is wrong with it."""
        while True:
            line = self._rows.line_num + 2
            try:
                cells = next(self._rows)
            except csv.Error as error:
                yield line, BadRow("unreadable", f"the line cannot be read: {error}")
                continue
            except StopIteration:
                return
            if any(cells):
                yield line, cells


class Reader:
    """
    Reads rows into batches by a map.

    :raises BadHeaders: there is no column of points, or none that says who the customer is
    """

    def __init__(self, *, merchant: Merchant, columns: ColumnMap, file: Iterable[str], at: datetime):
        self.merchant, self.map, self.at = merchant, columns, at
        self.table = Table(file)
        self.headers = self.table.headers
        self.places = columns.placed(self.headers)
        self.unknown = [name for name in columns.unknown(self.headers) if same(name) not in csv_files.COLUMNS]
        self._skips = [
            (place, {value.casefold() for value in columns.skip[name]})
            for name in columns.skip
            for place, header in enumerate(self.headers)
            if same(header) == same(name)
        ]
        self._seen: set[str] = set()
        self._insist()

    def _insist(self) -> None:
        named = {meaning: " or ".join(map(repr, names)) for meaning, names in self.map.columns.items()}
        if "points" not in self.places:
            raise BadHeaders(f"There is no column of points: {self.map.name} calls it {named['points']}.")
        if not any(meaning in self.places for meaning in IDENTIFIERS):
            ways = "; ".join(named[meaning] for meaning in IDENTIFIERS if meaning in named)
            raise BadHeaders(f"No column says who the customer is: {self.map.name} calls it {ways}.")

    def chunks(self, size: int) -> Iterator[Chunk]:
        chunk = Chunk()
        for line, cells in self.table:
            try:
                if isinstance(cells, BadRow):
                    raise cells
                self._check(cells)
                if self._is_nobodys(cells):
                    chunk.skipped += 1
                else:
                    chunk.openings.append(self._opening(cells))
                    chunk.rows.append((line, cells))
            except BadRow as bad:
                row = [] if isinstance(cells, BadRow) else cells
                chunk.refusals.append(Refusal(line, row, bad.code, str(bad)))
            if len(chunk) >= size:
                yield chunk
                chunk = Chunk()
        if len(chunk):
            yield chunk

    def _check(self, cells: Sequence[str]) -> None:
        if len(cells) != len(self.headers):
            raise BadRow(
                "wrong_columns", f"{len(cells)} fields where the first line names {len(self.headers)}"
            )
        if _NOT_TEXT.search("".join(cells)):
            raise BadRow("not_text", "it holds control characters, or bytes that are not UTF-8")

    def _is_nobodys(self, cells: Sequence[str]) -> bool:
        return any(cells[place].strip().casefold() in values for place, values in self._skips)

    def _cell(self, cells: Sequence[str], meaning: Meaning) -> str:
        place = self.places.get(meaning)
        return "" if place is None else cells[place].strip()

    def _opening(self, cells: Sequence[str]) -> Opening:
        points = self._number(cells, "points")
        if points is None:
            raise BadRow("no_points", f"{self._header('points')} is empty: write 0 for who has none")
        earned_at = self._time(cells, "earned_at")
        sums = {name: self._sum(cells, meaning) for meaning, name in _SUMS}
        sums_at = self._time(cells, "qualifying_at")
        return Opening(
            reference=self._reference(cells),
            system=self.map.system,
            who=self._who(cells),
            points=points,
            expires_at=self._expires_at(cells),
            earned_at=earned_at,
            lifetime=self._number(cells, "lifetime_points"),
            tier=self.map.tier(self._cell(cells, "tier")),
            tier_until=self._time(cells, "tier_until", is_end=True),
            sums={name: value for name, value in sums.items() if value},
            sums_on=sums_at.astimezone(self.merchant.zone).date() if sums_at else None,
        )

    def _reference(self, cells: Sequence[str]) -> str:
        """
        Return what names this row for ever: a keyed hash, because entries outlive the person they are about.
        """
        for meaning in self.map.key:
            if text := self._cell(cells, meaning):
                key = fingerprint("import", self.map.system, meaning, text.casefold())[:40]
                break
        else:
            named = " or ".join(self._header(meaning) for meaning in self.map.key if meaning in self.places)
            raise BadRow("no_key", f"{named or 'every identifier'} is empty: nothing names this row")
        if key in self._seen:
            raise BadRow(
                "named_twice",
                f"an earlier row has the same {self._header(meaning)}. Join the two, or, with the map `ours`, give "
                "each a `reference` of its own",
            )
        self._seen.add(key)
        return f"import:{self.map.system}:{key}"

    def _who(self, cells: Sequence[str]) -> Newcomer:
        named = [(meaning, self._cell(cells, meaning)) for meaning in IDENTIFIERS]
        joined_at = self._time(cells, "joined_at")
        first, last = self._cell(cells, "first_name"), self._cell(cells, "last_name")
        return Newcomer(
            identifiers=tuple(
                Given(meaning, text, self.map.identifier_source if meaning == "external_id" else "")
                for meaning, text in named
                if text
            ),
            name=self._cell(cells, "name") or f"{first} {last}".strip(),
            birthday=self._read(cells, "birthday", self.map.birthday) or "",
            language=self._cell(cells, "language").replace("_", "-"),
            consents=self._consents(cells),
            joined_at=joined_at,
        )

    def _consents(self, cells: Sequence[str]) -> tuple[Choice, ...]:
        answers = ((channel, self._read(cells, meaning, self.map.answer)) for meaning, channel in _CONSENTS)
        return tuple(
            Choice(channel, "marketing", answer, source=f"import:{self.map.system}")
            for channel, answer in answers
            if answer is not None
        )

    def _expires_at(self, cells: Sequence[str]) -> Any:
        text = self._cell(cells, "expires_at")
        if not text:
            return "program"
        return None if text.casefold() == NEVER else self._time(cells, "expires_at", is_end=True)

    def _sum(self, cells: Sequence[str], meaning: Meaning) -> int:
        digits = money.minor_digits(self.merchant.currency) if meaning == "qualifying_spend" else 0
        found = self._read(cells, meaning, lambda text: self.map.number(text, digits=digits)) or 0
        if found < 0:
            raise BadRow("bad_number", f"{self._header(meaning)} is below zero")
        return found

    def _number(self, cells: Sequence[str], meaning: Meaning) -> int | None:
        found: int | None = self._read(cells, meaning, self.map.number)
        return found

    def _time(self, cells: Sequence[str], meaning: Meaning, *, is_end: bool = False) -> datetime | None:
        """Return a time; a whole day that something lasts until is meant with its evening."""
        read = self._read(cells, meaning, lambda text: self.map.time(text, zone=self.merchant.zone))
        if read is None:
            return None
        when: datetime = read[0]
        is_day: bool = read[1]
        if is_end and is_day:
            local = when.astimezone(self.merchant.zone) + timedelta(days=1)  # the same wall clock, a day on
            when = local.astimezone(UTC)
        if when < EARLIEST or (not is_end and when > self.at):
            place = "before 1970" if when < EARLIEST else "in the future"
            raise BadRow("time_out_of_range", f"{self._header(meaning)} is {place}")
        return when

    def _read(self, cells: Sequence[str], meaning: Meaning, read: Any) -> Any:
        text = self._cell(cells, meaning)
        if not text:
            return None
        try:
            return read(text)
        except Unreadable as bad:
            raise BadRow(f"bad_{meaning}", f"{self._header(meaning)}: {bad}") from None

    def _header(self, meaning: Meaning) -> str:
        return self.headers[self.places[meaning]] if meaning in self.places else meaning
