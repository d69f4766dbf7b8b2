"""
What happened at another system, as lines of the statement that move nothing.

The balance is brought by `loyalty.openings`, once; a line only tells. So it does not matter which of the two
comes first, whether the lines add up to the balance, or how far back they go.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from customers import journey
from customers.identifiers import Given
from customers.people import Newcomer
from lib import db
from lib.errors import DomainError
from lib.signing import fingerprint
from loyalty import desk, known, lookup, newcomers
from loyalty.balance_rows import BadHeaders, BadRow, Table
from loyalty.column_map import ColumnMap, Unreadable, same
from loyalty.csv_files import Refusal
from loyalty.desk import Desk
from loyalty.ledger import Cause
from loyalty.models import Reference
from loyalty.openings import SOURCE
from merchants.models import Merchant

KIND = "history"
NEEDED = ("customer", "at", "points")
OPTIONAL = ("reason", "reference")
LONGEST = 200
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Line:
    """One movement as the other system had it. `reference` names it for ever."""

    reference: str
    who: Newcomer
    points: int
    occurred_at: datetime
    text: str = ""


@dataclass(slots=True)
class Counts:
    """What became of the lines so far; `points` is the sum of those that were written now."""

    rows: int = 0
    created: int = 0
    replayed: int = 0
    rejected: int = 0
    points: int = 0


@dataclass(slots=True)
class _Chunk:
    lines: list[Line] = field(default_factory=list)
    rows: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


@db.command
def bring_all(
    *, merchant: Merchant, lines: Sequence[Line], system: str, at: datetime, by: str
) -> list[DomainError | bool]:
    """
    Write lines that are new, oldest first for each customer; who is not here is enrolled.

    The answer for each: True if it was written, False if it was known already, or why it was refused.

    :raises NoProgram: the merchant has no published program
    """
    with journey.as_history():
        work = Desk(merchant=merchant, source=SOURCE, at=at, by=by)
        said = set(
            Reference.objects.filter(
                merchant_id=merchant.pk,
                source=SOURCE,
                kind=KIND,
                reference__in=[one.reference for one in lines],
            ).values_list("reference", flat=True)
        )
        new: dict[int, Line] = {}
        for place, one in enumerate(lines):
            if one.reference not in said:
                said.add(one.reference)
                new[place] = one
        found = newcomers.find_or_enroll(
            merchant=merchant, people={place: one.who for place, one in new.items()}, at=at, by=by
        )
        _write(
            work,
            {place: one for place, one in new.items() if isinstance(found[place], newcomers.Found)},
            found,
            system,
        )
        return [
            place in new if not isinstance(answer := found.get(place), DomainError) else answer
            for place in range(len(lines))
        ]


@db.inside_transaction
def _write(
    work: Desk, lines: dict[int, Line], found: dict[int, newcomers.Found | DomainError], system: str
) -> None:
    numbers = {place: one.customer_id for place, one in found.items() if isinstance(one, newcomers.Found)}
    asked = sorted(set(numbers.values()))
    people = lookup.people(
        merchant=work.merchant, plan=work.plan, asked=[(number, None) for number in asked], at=work.at
    )
    persons = {number: one for number, one in zip(asked, people, strict=True) if one is not None}
    desk.gather(work, looks=[(one, work.at) for one in persons.values()])
    for place, line in sorted(lines.items(), key=lambda item: (item[1].occurred_at, item[0])):
        account = work.account(persons[numbers[place]].membership_id)
        reason = {"code": "import_history", "system": system, "points": line.points, "text": line.text}
        work.book.recall(account, cause=Cause(line.occurred_at, line.reference, reason=reason, by=work.by))
        work.references.append(
            known.reference_row(
                merchant_id=work.merchant.pk,
                source=SOURCE,
                kind=KIND,
                reference=line.reference,
                target_id=int(account.entries[-1]["id"]),
                at=work.at,
            )
        )
    desk.write(work)


def load(
    *,
    merchant: Merchant,
    columns: ColumnMap,
    file: Iterable[str],
    at: datetime,
    by: str,
    dry_run: bool = False,
    refuse: Callable[[Sequence[str], Refusal], None] | None = None,
    each: Callable[[int], None] | None = None,
    size: int = CHUNK,
) -> Counts:
    """
    Write the lines of a CSV file (customer, at, points, reason, reference); repeating writes nothing twice.

    Numbers and dates are read as the map says. Without a `reference` a line is known by all it says, and how
    often it was said in this file.

    :raises BadHeaders: the first line does not name what is needed
    """
    reader = _Reader(merchant, columns, file, at)
    counts = Counts()
    for chunk in reader.chunks(size):
        with db.dry_run(dry_run):
            answers = (
                bring_all(merchant=merchant, lines=chunk.lines, system=columns.system, at=at, by=by)
                if chunk.lines
                else []
            )
        for line, answer, (number, row) in zip(chunk.lines, answers, chunk.rows, strict=True):
            if isinstance(answer, DomainError):
                chunk.refusals.append(Refusal(number, row, answer.code, str(answer)))
            elif answer:
                counts.created += 1
                counts.points += line.points
            else:
                counts.replayed += 1
        counts.rejected += len(chunk.refusals)
        counts.rows = counts.created + counts.replayed + counts.rejected
        if refuse:
            for refusal in sorted(chunk.refusals, key=lambda refusal: refusal.line):
                refuse(reader.table.headers, refusal)
        if each:
            each(counts.rows)
    return counts


class _Reader:
    def __init__(self, merchant: Merchant, columns: ColumnMap, file: Iterable[str], at: datetime):
        self.merchant, self.map, self.at = merchant, columns, at
        self.table = Table(file)
        where = {same(header): place for place, header in enumerate(self.table.headers)}
        missing = [name for name in NEEDED if name not in where]
        if missing:
            raise BadHeaders(
                f"Missing columns: {', '.join(missing)}. The first line names {', '.join(NEEDED)}, and may name "
                f"{', '.join(OPTIONAL)}."
            )
        self.places = [where.get(name, -1) for name in (*NEEDED, *OPTIONAL)]
        self.times: dict[str, int] = {}

    def chunks(self, size: int) -> Iterator[_Chunk]:
        chunk = _Chunk()
        for number, cells in self.table:
            try:
                if isinstance(cells, BadRow):
                    raise cells
                if len(cells) != len(self.table.headers):
                    raise BadRow("wrong_columns", f"{len(cells)} fields, not {len(self.table.headers)}")
                chunk.lines.append(self._line(cells))
                chunk.rows.append((number, cells))
            except BadRow as bad:
                row = [] if isinstance(cells, BadRow) else cells
                chunk.refusals.append(Refusal(number, row, bad.code, str(bad)))
            if len(chunk.lines) + len(chunk.refusals) >= size:
                yield chunk
                chunk = _Chunk()
        if chunk.lines or chunk.refusals:
            yield chunk

    def _line(self, cells: Sequence[str]) -> Line:
        who, at, points, text, reference = [
            cells[place].strip() if place >= 0 else "" for place in self.places
        ]
        try:
            when, _ = self.map.time(at, zone=self.merchant.zone)
            moved = self.map.number(points)
        except Unreadable as bad:
            raise BadRow("unreadable", str(bad)) from None
        if when > self.at:
            raise BadRow("time_out_of_range", f"at {at} is in the future")
        if not who or len(text) > LONGEST or any(ord(letter) < 32 for letter in who + text):
            raise BadRow("unreadable", f"customer is empty, or the reason is longer than {LONGEST} letters")
        return Line(
            reference=self._reference(who, at, points, text, reference),
            who=Newcomer(identifiers=(self._given(who),), joined_at=when),
            points=moved,
            occurred_at=when,
            text=text,
        )

    def _reference(self, *said: str) -> str:
        """Return what names the line: a keyed hash of its own reference, or of all it says and how often."""
        own = said[-1]
        parts = (own,) if own else said
        key = fingerprint("import history", self.map.system, *parts)[:40]
        self.times[key] = self.times.get(key, 0) + 1
        again = f":{self.times[key]}" if not own and self.times[key] > 1 else ""
        return f"import:{self.map.system}:{key}{again}"

    def _given(self, who: str) -> Given:
        """Return how the file names somebody: an e-mail, a phone with +, `type:value`, or the map's own key."""
        kind, mark, value = who.partition(":")
        if mark and kind in ("email", "phone", "card", "external_id") and value:
            return self._own(kind, value)
        if "@" in who:
            return Given("email", who)
        if who.startswith("+"):
            return Given("phone", who)
        usual = next(
            (name for name in self.map.key if name in ("external_id", "card", "phone")), "external_id"
        )
        return self._own(usual, who)

    def _own(self, kind: str, value: str) -> Given:
        source = self.map.identifier_source if kind == "external_id" else ""
        return Given(kind, value, source)
