"""
Purchases from a CSV file, thousands at a time, through the same verb as the till's.

Reading is kept lean: a row becomes a `Sale` directly. What is wrong with a line is said with its number
and spoils nothing else; the lines before and after it are recorded.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zlib import crc32

from customers.identifiers import Given, InvalidIdentifier, normalize, resolve
from lib import db, money, public_ids
from lib.errors import DomainError, Malformed
from loyalty import csv_files, members, purchases
from loyalty.csv_files import Refusal
from loyalty.members import Newcomer
from loyalty.sale import Line, Sale
from merchants.models import Merchant, Store

NEEDED = ("customer", "reference", "occurred_at", "amount_minor")
OPTIONAL = ("currency", "store", "channel", "category")
LONGEST = {"reference": 200, "channel": 20, "category": 60, "customer": 254}
CHUNK = 2_000
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)

_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_PHONE = re.compile(r"\+?[0-9 ()./-]{6,30}")


class BadColumns(Malformed):
    code = "invalid_columns"


class BadLine(Malformed):
    """One line cannot be read. The message says what to write instead."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Counts:
    """How many lines there were so far, and what became of them."""

    lines: int = 0
    created: int = 0
    replayed: int = 0
    unmatched: int = 0
    rejected: int = 0
    enrolled: int = 0
    points: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(slots=True)
class Chunk:
    """Some lines of the file, read but not yet recorded."""

    sales: list[Sale] = field(default_factory=list)
    lines: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def load(
    *,
    merchant: Merchant,
    file: Iterable[str],
    at: datetime,
    by: str,
    as_of: Literal["today", "history"] = "today",
    enroll: bool = False,
    add_stores: bool = False,
    dry_run: bool = False,
    share: tuple[int, int] = (0, 1),
    refuse: Callable[[Sequence[str], Refusal], None] | None = None,
    each: Callable[[Counts], None] | None = None,
) -> Counts:
    """
    Record the purchases of a CSV file in transactions of some thousands; return what became of the lines.

    Repeating, or going on after a stop, is safe: a reference that is known is `replayed`. Customers nobody
    knows are enrolled with `enroll`, else their purchases wait for them. `refuse` hears each refused line
    (with the columns), `each` the counts after each transaction.

    :param as_of: `today` gives the points now, `history` by the rules and expiry of each sale's time
    :param share: (part, parts): only the customers of one part, for several processes at once; all lines of
        a customer, as the file writes them, are of one part, in their order
    :raises BadColumns: the first line does not name the columns that are needed
    """
    reader = Reader(merchant=merchant, file=file, at=at, add_stores=add_stores and not dry_run, share=share)
    people = People(merchant)
    counts = Counts()
    for chunk in reader.chunks():
        people.find(chunk)
        if enroll and not dry_run:
            counts.enrolled += people.enroll(chunk, at=at, by=by, as_of=as_of)
        chunk.sales = [people.named(sale) for sale in chunk.sales]
        with db.dry_run(dry_run):
            receipts = (
                purchases.record_all(merchant=merchant, sales=chunk.sales, at=at, by=by, as_of=as_of)
                if chunk.sales
                else []
            )
        for receipt, (line, row) in zip(receipts, chunk.lines, strict=True):
            setattr(counts, receipt.status, getattr(counts, receipt.status) + 1)
            if receipt.error:
                chunk.refusals.append(Refusal(line, row, receipt.error.code, str(receipt.error)))
            elif receipt.status == "created":
                counts.points += receipt.row["points_earned"]
        unread = len(chunk.refusals) - sum(1 for receipt in receipts if receipt.error)
        counts.rejected += unread
        counts.lines += len(chunk.lines) + unread
        if refuse:
            for refusal in sorted(chunk.refusals, key=lambda refusal: refusal.line):
                refuse(reader.columns, refusal)
        if each:
            each(counts)
    return counts


class Reader:
    """Reads lines into sales. Customers are named later, all of a chunk at once (`People`)."""

    def __init__(
        self,
        *,
        merchant: Merchant,
        file: Iterable[str],
        at: datetime,
        add_stores: bool = False,
        share: tuple[int, int] = (0, 1),
    ):
        self.merchant, self.zone, self.latest = merchant, merchant.zone, at + AHEAD
        self.add_stores, self.share = add_stores, share
        self.stores = dict(Store.objects.filter(merchant=merchant).values_list("code", "id"))
        lines = iter(file)
        self.rows, self.columns = _open(lines)
        place = {name: number for number, name in enumerate(self.columns)}
        self.places = [place.get(name, -1) for name in (*NEEDED, *OPTIONAL)]
        named = {"category": "lines"}
        self.sent = frozenset(named.get(name, name) for name in self.columns if name not in csv_files.COLUMNS)
        self.currencies = {merchant.currency}

    def chunks(self, size: int = CHUNK) -> Iterator[Chunk]:
        chunk, width = Chunk(), len(self.columns)
        for line, row in self._numbered():
            if not self._is_mine(row):
                continue
            if isinstance(row, csv.Error):
                chunk.refusals.append(Refusal(line, [], "unreadable", f"the line cannot be read: {row}"))
                continue
            if not row:
                continue
            try:
                if len(row) != width:
                    raise BadLine("wrong_columns", f"{len(row)} fields where the first line names {width}")
                chunk.sales.append(self._sale(row))
                chunk.lines.append((line, row))
            except BadLine as bad:
                chunk.refusals.append(Refusal(line, row, bad.code, str(bad)))
            if len(chunk.lines) + len(chunk.refusals) >= size:
                yield chunk
                chunk = Chunk()
        if chunk.lines or chunk.refusals:
            yield chunk

    def _is_mine(self, row: Any) -> bool:
        """Tell whether a row is of this share. What names nobody is of the first one."""
        part, parts = self.share
        if parts == 1:
            return True
        who = row[self.places[0]] if isinstance(row, list) and len(row) > self.places[0] else ""
        name = who.strip().casefold()
        return (crc32(name.encode("utf-8", "replace")) if name else 0) % parts == part

    def _numbered(self) -> Iterator[tuple[int, Any]]:
        """Yield each row with the number of its first line; a broken one as the error it raised."""
        while True:
            line = self.rows.line_num + 1
            try:
                yield line, next(self.rows)
            except csv.Error as error:
                yield line, error
            except StopIteration:
                return

    def _sale(self, row: Sequence[str]) -> Sale:
        if _NOT_TEXT.search("".join(row)):
            raise BadLine("not_text", "it holds control characters, NUL bytes or bytes that are not UTF-8")
        who, reference, when, amount, currency, store, channel, category = [
            row[place].strip() if place >= 0 else "" for place in self.places
        ]
        for name, text in (("customer", who), ("reference", reference)):
            if not text:
                raise BadLine(f"no_{name}", f"{name} is empty")
        for name, text in (
            ("reference", reference),
            ("channel", channel),
            ("category", category),
            ("customer", who),
        ):
            if len(text) > LONGEST[name]:
                raise BadLine("too_long", f"{name} has {len(text)} characters; {LONGEST[name]} are the most")
        paid = self._amount(amount)
        return Sale(
            reference=reference,
            currency=self._currency(currency) if currency else self.merchant.currency,
            amount_minor=paid,
            occurred_at=self._time(when),
            identifier=Given("?", who),
            lines=(Line("1", paid, category=category),) if category else (),
            store_id=self._store(store) if store else None,
            store=store,
            channel=channel,
            sent=self.sent,
        )

    def _amount(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            if text.startswith("-"):
                raise BadLine(
                    "negative_amount", f"amount_minor {text} is negative: refunds are told as refunds"
                )
            raise BadLine(
                "bad_amount", f"amount_minor {text!r} is not a whole number of cents, like 1250 for 12.50"
            )
        if len(text) > 15:
            raise BadLine("amount_out_of_range", f"amount_minor {text[:20]} is more than 10^15")
        return int(text)

    def _currency(self, code: str) -> str:
        if code not in self.currencies:
            if not money.is_known(code):
                raise BadLine(
                    "bad_currency", f"currency {code!r} is not an ISO 4217 code in capitals, like EUR"
                )
            self.currencies.add(code)
        return code

    def _time(self, text: str) -> datetime:
        try:
            when = datetime.fromisoformat(text)
            if when.tzinfo is None:
                when = when.replace(tzinfo=self.zone)
            when = when.astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadLine(
                "bad_time", f"occurred_at {text!r} is not a time, like 2026-01-31T17:05:00+01:00"
            ) from None
        if not EARLIEST <= when <= self.latest:
            place = "in the future" if when > self.latest else "before 1970"
            raise BadLine("time_out_of_range", f"occurred_at {text} is {place}")
        return when

    def _store(self, code: str) -> int:
        found = self.stores.get(code)
        if found is None:
            if not self.add_stores or not re.fullmatch(r"[-a-zA-Z0-9_]{1,60}", code):
                raise BadLine("unknown_store", f"there is no store {code!r}: add it first (or --add-stores)")
            found = Store.objects.get_or_create(merchant=self.merchant, code=code, defaults={"name": code})[
                0
            ].pk
            self.stores[code] = found
        return found


def _open(lines: Iterator[str]) -> tuple[Any, list[str]]:
    """Return a reader past the first line, and the columns that the first line names."""
    first = next(lines, "")
    if "\x00" in first or "\ufffd" in first or any("\ud800" <= letter <= "\udfff" for letter in first):
        raise BadColumns("The file is not UTF-8 text. Save it as CSV in UTF-8.")
    mark = max(",;\t", key=first.count)
    columns = [name.strip().lower() for name in next(csv.reader([first], delimiter=mark), [])]
    known = (*NEEDED, *OPTIONAL, *csv_files.COLUMNS)
    missing = [name for name in NEEDED if name not in columns]
    strange = [name for name in columns if name not in known]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    problems = [
        f"{sentence}: {', '.join(map(repr, names))}."
        for sentence, names in (
            ("Missing columns", missing),
            ("Unknown columns (remove or rename them)", strange),
            ("Columns named twice", twice),
        )
        if names
    ]
    if problems:
        needs = f"The first line names the columns {', '.join(NEEDED)}, and may name {', '.join(OPTIONAL)}."
        raise BadColumns(" ".join([*problems, needs]))
    reader = csv.reader(lines, delimiter=mark)
    return _Counted(reader), columns


class _Counted:
    """A CSV reader whose line numbers count the line that named the columns."""

    def __init__(self, reader: Any):
        self._reader = reader

    @property
    def line_num(self) -> int:
        return int(self._reader.line_num) + 1

    def __next__(self) -> list[str]:
        row: list[str] = next(self._reader)
        return row


class People:
    """
    Who the customers of a file are, each looked up once.

    A customer is written as an id (`cus_...`), an e-mail, a phone, `type:value` (`external_id:77`) or a
    bare number, which is looked for as card, outside id and phone and is a card when nobody has it.
    """

    def __init__(self, merchant: Merchant):
        self.merchant = merchant
        self.ids: dict[str, int] = {}
        self.strangers: dict[str, Given] = {}

    def find(self, chunk: Chunk) -> None:
        """Look up who was not met before, one statement per way to recognize somebody."""
        new = {
            text: guesses(text)
            for sale in chunk.sales
            if sale.identifier and (text := sale.identifier.value) not in self.ids
        }
        for text, ways in new.items():
            if isinstance(ways, int):
                self.ids[text] = ways
        wanted = [(text, way) for text, ways in new.items() if not isinstance(ways, int) for way in ways]
        found = resolve(merchant=self.merchant, given=[way for _, way in wanted]) if wanted else []
        for (text, way), customer_id in zip(wanted, found, strict=True):
            if customer_id is not None:
                self.ids.setdefault(text, customer_id)
            else:
                self.strangers.setdefault(text, way)

    def enroll(self, chunk: Chunk, *, at: datetime, by: str, as_of: str) -> int:
        """Enroll who nobody knows; return how many. Who cannot be enrolled stays a stranger."""
        first: dict[str, datetime] = {}
        for sale in chunk.sales:
            text = sale.identifier.value if sale.identifier else ""
            if text not in self.ids:
                first[text] = min(sale.occurred_at, first.get(text, sale.occurred_at))
        joining = [text for text in first if self._is_identifier(text)]
        if not joining:
            return 0
        results = members.enroll_all(
            merchant=self.merchant,
            people=[
                Newcomer(
                    identifiers=(self.strangers[text],),
                    joined_at=first[text] if as_of == "history" else None,
                )
                for text in joining
            ],
            at=at,
            by=by,
        )
        added = 0
        for text, result in zip(joining, results, strict=True):
            if not isinstance(result, DomainError):
                self.ids[text] = result.pk
                added += 1
        return added

    def _is_identifier(self, text: str) -> bool:
        way = self.strangers[text]
        try:
            return bool(normalize(type=way.type, value=way.value, country=self.merchant.country))
        except InvalidIdentifier:
            return False

    def named(self, sale: Sale) -> Sale:
        """Return the sale with its customer's id; with the identifier it waits for when nobody has it."""
        text = sale.identifier.value if sale.identifier else ""
        number = self.ids.get(text)
        # The sale was made a moment ago and nobody else has seen it: it is cheaper to fill than to copy.
        object.__setattr__(sale, "customer_id", number)
        object.__setattr__(sale, "identifier", None if number else self.strangers[text])
        return sale


def guesses(text: str) -> int | list[Given]:
    """Return the id that the text is, or what it may be, the likeliest first."""
    if (number := public_ids.read("cus", text)) is not None:
        return number
    kind, mark, value = text.partition(":")
    if mark and kind in ("email", "phone", "card", "external_id") and value:
        return [Given(kind, value)]
    if "@" in text:
        return [Given("email", text)]
    if text.startswith("+"):
        return [Given("phone", text)]
    ways = [Given("card", text), Given("external_id", text)]
    return [*ways, Given("phone", text)] if _PHONE.fullmatch(text) else ways
