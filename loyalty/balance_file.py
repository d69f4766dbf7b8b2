"""Balances of another system from a CSV file, thousands of rows at a time, each once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lib import db
from loyalty import openings
from loyalty.balance_rows import Chunk, Reader
from loyalty.column_map import ColumnMap
from loyalty.csv_files import Refusal
from loyalty.openings import OpeningReceipt
from merchants.models import Merchant

CHUNK = 2_000


@dataclass(slots=True)
class Counts:
    """
    What became of the rows so far: every row is in one of created, replayed, skipped and rejected.

    `points_in_file` is the sum of all rows that could be read and are somebody's; `points` of those of them that
    were brought in now, `points_before` of those that were before, `points_rejected` of those refused. `tiers`
    counts the rows brought in by the tier they name.
    """

    rows: int = 0
    created: int = 0
    replayed: int = 0
    skipped: int = 0
    rejected: int = 0
    customers: int = 0
    enrolled: int = 0
    points_in_file: int = 0
    points: int = 0
    points_before: int = 0
    points_rejected: int = 0
    tiers: dict[str, int] = field(default_factory=dict)
    unknown_columns: list[str] = field(default_factory=list)


def load(
    *,
    merchant: Merchant,
    columns: ColumnMap,
    file: Iterable[str],
    at: datetime,
    by: str,
    dry_run: bool = False,
    refuse: Callable[[Sequence[str], Refusal], None] | None = None,
    each: Callable[[Counts], None] | None = None,
    size: int = CHUNK,
) -> Counts:
    """
    Bring the balances of a file in, in transactions of some thousand rows; return what became of them.

    Repeating, or going on after a stop, is safe: a row that is known is `replayed`. `refuse` hears each refused
    row (with the headers), `each` the counts after each transaction.

    :raises BadHeaders: the first line does not name what is needed
    :raises NoProgram: the merchant has no published program
    """
    reader = Reader(merchant=merchant, columns=columns, file=file, at=at)
    counts = Counts(unknown_columns=reader.unknown)
    met = _Met()
    for chunk in reader.chunks(size):
        with db.dry_run(dry_run):
            receipts = (
                openings.bring_all(merchant=merchant, openings=chunk.openings, at=at, by=by)
                if chunk.openings
                else []
            )
        _count(counts, chunk, receipts, met)
        if refuse:
            for refusal in sorted(chunk.refusals, key=lambda refusal: refusal.line):
                refuse(reader.headers, refusal)
        if each:
            each(counts)
    return counts


class _Met:
    """Who was met in this run. In a dry run somebody new is new again in every transaction, with another id."""

    def __init__(self) -> None:
        self.here: set[int] = set()
        self.new: set[tuple[str, str]] = set()


def _count(counts: Counts, chunk: Chunk, receipts: Sequence[OpeningReceipt], met: _Met) -> None:
    for one, receipt, (line, row) in zip(chunk.openings, receipts, chunk.rows, strict=True):
        counts.points_in_file += one.points
        if receipt.error is not None:
            counts.points_rejected += one.points
            chunk.refusals.append(Refusal(line, row, receipt.error.code, str(receipt.error)))
        elif receipt.status == "replayed":
            counts.replayed += 1
            counts.points_before += one.points
        else:
            counts.created += 1
            counts.points += one.points
            if one.tier:
                counts.tiers[one.tier] = counts.tiers.get(one.tier, 0) + 1
            names = {(given.type, given.value.strip().casefold()) for given in one.who.identifiers}
            if receipt.is_new:
                counts.enrolled += not names & met.new
                met.new |= names
            elif receipt.customer_id is not None and not names & met.new:
                met.here.add(receipt.customer_id)
    counts.customers = counts.enrolled + len(met.here)
    counts.skipped += chunk.skipped
    counts.rejected += len(chunk.refusals)
    counts.rows += len(chunk.rows) + chunk.skipped + len(chunk.refusals) - _refused_again(receipts)


def _refused_again(receipts: Sequence[OpeningReceipt]) -> int:
    """Return how many refusals are of rows that could be read."""
    return sum(1 for receipt in receipts if receipt.error is not None)
