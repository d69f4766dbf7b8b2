"""The files of long jobs: kept in pieces in the database, read like any other file, gone after 14 days."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import IO, Any

from lib import db
from merchants.models import Job, JobPiece

PIECE = 512 * 1024
LARGEST = 100 * 1024 * 1024
Role = JobPiece.Role


@db.inside_transaction
def write(*, job: Job, role: str, chunks: Iterable[bytes], at: datetime) -> int:
    """Append what is given to a job's file, in pieces; return how many bytes there were."""
    number = JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=role).count()
    size = 0
    for body in chunks:
        JobPiece.objects.create(
            merchant_id=job.merchant_id, job=job, role=role, number=number, body=body, created_at=at
        )
        number, size = number + 1, size + len(body)
    return size


def pieces(*, job: Job, role: str) -> Iterator[bytes]:
    """Yield a file's pieces in their order, one at a time: its size does not count."""
    rows = JobPiece.objects.filter(merchant=job.merchant_id, job=job, role=role)
    for number in range(rows.count()):
        yield bytes(rows.values_list("body", flat=True).get(number=number))


def roles(job: Job) -> list[str]:
    """Return which files a job has."""
    return sorted(
        set(JobPiece.objects.filter(merchant=job.merchant_id, job=job).values_list("role", flat=True))
    )


class _Raw(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, source: Iterator[bytes]):
        self.source, self.rest = source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest:
            following = next(self.source, None)
            if following is None:
                return 0
            self.rest = following
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        return size


def opened(job: Job) -> IO[str]:
    """Return the upload as text, unpacked; bytes that are not UTF-8 travel along as surrogates."""
    raw: Any = io.BufferedReader(_Raw(pieces(job=job, role=Role.UPLOAD)), PIECE)
    body: Any = gzip.GzipFile(fileobj=raw) if job.file_name.endswith(".gz") else raw
    return io.TextIOWrapper(body, encoding="utf-8-sig", errors="surrogateescape", newline="")


def length(job: Job) -> int:
    """Return how many lines the upload has, the first included."""
    with opened(job) as file:
        return sum(1 for _ in file)


class Lines:
    """
    The lines of an upload from where a job was: those that name the columns, then the rest.

    A reader of CSV takes no line before it needs it, so `place`, the lines taken so far, is exact after each
    chunk, and rows with line breaks in them are never cut. `ahead` is how many lines were left out.
    """

    def __init__(self, file: IO[str], *, place: int):
        self.file, self.place = iter(file), 0
        self.head = self._head()
        self.ahead = max(place - len(self.head), 0)

    def _take(self) -> Iterator[str]:
        for line in self.file:
            self.place += 1
            yield line

    def _head(self) -> list[str]:
        taken: list[str] = []

        def keep() -> Iterator[str]:
            for line in self._take():
                taken.append(line)
                yield line

        with suppress(csv.Error):  # the reader of the kind says what is wrong
            next(csv.reader(keep()), None)
        return taken

    def __iter__(self) -> Iterator[str]:
        yield from self.head
        rest = self._take()
        for _ in range(self.ahead):
            next(rest, None)
        yield from rest


def report(columns: Sequence[str], rows: Sequence[Any], *, first: bool) -> bytes:
    """Return refused rows (line, row, code, reason) as CSV that can be corrected and imported again."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    kept = [place for place, name in enumerate(columns) if name not in COLUMNS]
    if first:
        writer.writerow([*COLUMNS, *(columns[place] for place in kept)])
    for line, row, code, reason in rows:
        writer.writerow([line, code, reason, *(row[place] if place < len(row) else "" for place in kept)])
    return out.getvalue().encode("utf-8", "backslashreplace")


COLUMNS = ("line", "code", "reason")
