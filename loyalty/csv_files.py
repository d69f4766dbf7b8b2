"""CSV files as the imports read and report them: packed or not, with a bar, refused lines beside them."""

import csv
import gzip
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

COLUMNS = ("line", "code", "reason")  # of a report: a corrected report can be imported again


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not taken over: its number in the file, its fields, and why."""

    line: int
    row: Sequence[str]
    code: str
    reason: str


class opened:  # noqa: N801  (reads as a verb in a with statement)
    """The file as text, and beneath it the raw file, whose position says how far we are."""

    def __init__(self, path: Path):
        self.path = path

    def __enter__(self) -> tuple[IO[str], IO[bytes]]:
        self.raw = self.path.open("rb")
        body: Any = gzip.GzipFile(fileobj=self.raw) if self.path.suffix == ".gz" else self.raw
        # Bytes that are not UTF-8 travel along as surrogates: their own line is refused, not the file.
        self.text = io.TextIOWrapper(body, encoding="utf-8-sig", errors="surrogateescape", newline="")
        return self.text, self.raw

    def __exit__(self, *_: object) -> None:
        self.text.close()
        self.raw.close()


class Progress:
    """A bar on a terminal; elsewhere a line for each tenth."""

    def __init__(self, *, size: int):
        self.size, self.tenth = max(size, 1), 0
        self.bar = tqdm(
            total=size,
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
            file=sys.stderr,
            leave=False,
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def tell(self, lines: int, *, place: int) -> None:
        if not self.bar.disable:
            self.bar.update(place - self.bar.n)
            self.bar.set_postfix_str(f"{lines:,} lines")
        elif (tenth := place * 10 // self.size) > self.tenth:
            self.tenth = tenth
            sys.stderr.write(f"{tenth * 10} %: {lines:,} lines\n")


class Report:
    """
    The refused lines with their reasons, in a file that is made when there is the first one.

    It is SOURCE.errors.csv unless another `path` is given.
    """

    def __init__(self, source: Path, path: Path | None = None):
        name = source.name.removesuffix(".gz").removesuffix(".csv")
        self.path = path or source.with_name(f"{name}.errors.csv")
        if self.path == source:  # a corrected report is being imported: do not write over it
            self.path = source.with_name(f"{name}.errors.errors.csv")
        self.file: IO[str] | None = None
        self.path.unlink(missing_ok=True)

    def add(self, columns: Sequence[str], refusal: Refusal) -> None:
        kept = [place for place, name in enumerate(columns) if name not in COLUMNS]
        if self.file is None:
            self.file = self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            self.writer = csv.writer(self.file)
            self.writer.writerow([*COLUMNS, *(columns[place] for place in kept)])
        fields = [refusal.row[place] if place < len(refusal.row) else "" for place in kept]
        self.writer.writerow([refusal.line, refusal.code, refusal.reason, *map(shown, fields)])

    def close(self) -> None:
        if self.file:
            self.file.close()


def shown(text: str) -> str:
    return text[:500].replace("\x00", "\\x00")
