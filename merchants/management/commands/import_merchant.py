"""A merchant from its open file."""

import gzip
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from lib import cycles, db
from lib.errors import DomainError
from merchants import open_file


class Command(BaseCommand):
    help = (
        "Make a merchant out of an open file (see docs/guides/open-file.md): the same customers, balances, lots, "
        "tiers and statements. All of it or nothing: when it was stopped, start it again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="NAME.jsonl or NAME.jsonl.gz")
        parser.add_argument(
            "--as", dest="slug", default="", help="the merchant's slug here (default: its own)"
        )
        parser.add_argument("--dry-run", action="store_true", help="do it all, check the books, save nothing")

    def handle(self, *, file: Path, slug: str, dry_run: bool, **options: Any) -> None:
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        cycles.search_rarely()
        try:
            with (
                tqdm(total=file.stat().st_size, unit="B", unit_scale=True, disable=None, leave=False) as bar,
                db.dry_run(dry_run),
            ):
                arrived = open_file.load(open=lambda: opened(file, bar), slug=slug, at=timezone.now())
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OSError, EOFError) as error:
            raise CommandError(f"{file} cannot be read: {error}. Nothing was imported.") from error
        told = ", ".join(f"{number:,} {kind}" for kind, number in arrived.lines.items())
        self.stdout.write(f"{arrived.merchant.slug}: {told}. The books add up.")
        for sentence, number in arrived.left.items():
            self.stdout.write(f"Not carried: {number:,} {sentence}.")
        if dry_run:
            self.stdout.write("Nothing was saved (--dry-run).")
        else:
            self.stdout.write(
                "Staff, API keys and the secrets of connections are not in the file: make them anew."
            )


@contextmanager
def opened(file: Path, bar: Any) -> Iterator[Iterator[bytes]]:
    """The lines of a file, packed or not; the bar follows the place in it."""
    with file.open("rb") as raw:
        body: IO[bytes] = gzip.GzipFile(fileobj=raw) if file.suffix == ".gz" else raw  # type: ignore[assignment]
        bar.reset()

        def lines() -> Iterator[bytes]:
            for number, line in enumerate(body):
                if number % 1000 == 0:
                    bar.update(raw.tell() - bar.n)
                yield line

        yield lines()
