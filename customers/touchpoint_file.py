"""
Touchpoints from a CSV file: what a shop's other systems remember, brought in as history, told to nobody.

Columns: `kind` and `occurred_at` (with its offset), one or more of `customer` (cus_...), `email`, `phone`, `card`,
`external_id` (with `source`) and `anonymous_id`, and if you like `channel`, `reference` and `data` (a JSON object).
A line without a reference gets one made of what it says, so that a file may be read any number of times.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson
from django.utils.dateparse import parse_datetime

from customers import identifiers, journey, touchpoints
from customers.identifiers import TYPES, Given
from customers.touchpoints import IDENTIFY, Noted, Told
from lib import public_ids
from lib.errors import DomainError, Fault, Malformed
from merchants.models import Merchant

CHUNK = 1_000
OLDEST = timedelta(days=3660)
NEEDED = ("kind", "occurred_at")
COLUMNS = (*NEEDED, "customer", *TYPES, "source", "anonymous_id", "channel", "reference", "data")
_LONGEST = {"kind": 60, "channel": 20, "anonymous_id": 80, "reference": 200}

Line = Mapping[str, str]


class BadLine(Malformed):
    code = "bad_line"


class BadHeader(Malformed):
    code = "bad_header"


@dataclass(slots=True)
class Counts:
    lines: int = 0
    created: int = 0
    replayed: int = 0
    rejected: int = 0


Refuse = Callable[[int, Line, DomainError], None]


def load(
    *,
    merchant: Merchant,
    file: Iterable[str],
    at: datetime,
    refuse: Refuse,
    each: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """
    Bring in a file, a thousand lines to a transaction. Reading it again, whole or from where it stopped, makes
    nothing twice.

    :raises BadHeader: a column that is missing, or that nobody knows
    """
    reader = csv.DictReader(file)
    names = list(reader.fieldnames or ())
    if wrong := [name for name in NEEDED if name not in names] or [
        name for name in names if name not in COLUMNS
    ]:
        raise BadHeader(f"The column {wrong[0]!r} is missing or unknown. Columns: {', '.join(COLUMNS)}.")
    counts = Counts()
    numbered = enumerate(reader, start=2)
    while chunk := list(islice(numbered, CHUNK)):
        for (number, line), noted in zip(
            chunk, _bring(merchant, [line for _, line in chunk], at), strict=True
        ):
            setattr(counts, noted.status, getattr(counts, noted.status) + 1)
            if noted.error is not None:
                refuse(number, line, noted.error)
        counts.lines += len(chunk)
        each(counts)
    return counts


def _bring(merchant: Merchant, lines: Sequence[Line], at: datetime) -> Iterator[Noted]:
    whose = _whose(merchant, lines)
    told: list[Told] = []
    refused: list[DomainError | None] = []
    for line, customer_id in zip(lines, whose, strict=True):
        try:
            told.append(_read(line, customer_id))
            refused.append(None)
        except DomainError as refusal:
            refused.append(refusal)
    with journey.as_history():
        noted = iter(touchpoints.record_all(merchant=merchant, told=told, at=at, late=OLDEST))
    return (next(noted) if refusal is None else Noted("rejected", error=refusal) for refusal in refused)


def _whose(merchant: Merchant, lines: Sequence[Line]) -> list[int | None]:
    """Return the customer of each line by the first identifier it names; one statement for all."""
    named = [
        (place, Given(kind, line[kind], line.get("source") or "" if kind == "external_id" else ""))
        for place, line in enumerate(lines)
        if (kind := next((kind for kind in TYPES if line.get(kind)), None))
    ]
    found: list[int | None] = [public_ids.read("cus", line.get("customer") or "") for line in lines]
    resolved = identifiers.resolve(merchant=merchant, given=[given for _, given in named])
    for (place, _), customer_id in zip(named, resolved, strict=True):
        found[place] = found[place] or customer_id
    return found


def _read(line: Line, customer_id: int | None) -> Told:
    said = {name: (value or "").strip() for name, value in line.items() if name in COLUMNS}
    if None in line or any(len(said.get(name, "")) > most for name, most in _LONGEST.items()):
        raise _wrong("", "has more fields than columns, or one that is too long")
    names_somebody = any(said.get(name) for name in ("customer", *TYPES))
    if names_somebody and customer_id is None:
        raise _wrong("customer", "is nobody's here")
    if not (customer_id or said.get("anonymous_id")) or (
        said["kind"] == IDENTIFY and not (customer_id and said.get("anonymous_id"))
    ):
        raise _wrong("customer", "name a customer or an anonymous_id; an identify names both")
    if not touchpoints.is_kind(said["kind"]):
        raise _wrong("kind", "does not read like page.viewed")
    return Told(
        kind=said["kind"],
        occurred_at=_time(said["occurred_at"]),
        channel=said.get("channel", ""),
        customer_id=customer_id,
        anonymous_id=said.get("anonymous_id", ""),
        reference=said.get("reference") or _made(said),
        data=_data(said.get("data", "")),
    )


def _made(said: Mapping[str, str]) -> str:
    told = orjson.dumps({name: value for name, value in said.items() if value}, option=orjson.OPT_SORT_KEYS)
    return f"file:{sha256(told).hexdigest()[:40]}"


def _time(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise _wrong("occurred_at", "is no time with its offset, like 2026-05-01T12:00:00+02:00")
    return found


def _data(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or "\\u0000" in text or len(text) > 16_384:
        raise _wrong("data", "is no JSON object of at most 16 kB")
    return found


def _wrong(name: str, detail: str) -> BadLine:
    return BadLine(f"{name or 'the line'} {detail}", faults=[Fault(f"/{name}", "bad_line", detail)])
