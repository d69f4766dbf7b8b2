"""Purchase history from a CSV file."""

import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lib import cycles, db, shares
from lib.errors import DomainError
from loyalty import purchase_file
from loyalty.csv_files import Progress, Report, opened
from loyalty.purchase_file import Counts
from merchants.models import Merchant

# Starting processes takes longer than recording less than this.
LARGE_BYTES = 1_000_000


class Command(BaseCommand):
    help = (
        "Load purchases from a CSV file with the columns customer, reference, occurred_at, amount_minor and, "
        "if you like, currency, store, channel, category. Stop it and start it again as you like: what is "
        "recorded stays recorded once. Refused lines go to FILE.errors.csv; exits 1 if there were any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8, also packed (.csv.gz)")
        parser.add_argument(
            "--backdate",
            action="store_true",
            help="apply rules and expiry as of each date (default: as of today)",
        )
        parser.add_argument(
            "--enroll",
            action="store_true",
            help="enroll customers nobody knows (default: keep them unmatched)",
        )
        parser.add_argument("--add-stores", action="store_true", help="add stores that are not there yet")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, save nothing")
        parser.add_argument(
            "--jobs",
            type=int,
            help="processes that share the customers (default: the processors, for a large file on PostgreSQL)",
        )

    def handle(self, *, merchant: str, file: Path, jobs: int | None, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        report = Report(file)
        cycles.search_rarely()
        started = time.monotonic()
        try:
            size = size_of(file)
            with Progress(size=size) as progress:
                heard = Heard(report, progress)
                shares.run(
                    lambda part, parts, tell: load(owner, file, (part, parts), tell, options),
                    parts=jobs or jobs_for(size),
                    hear=heard.hear,
                )
        except shares.ShareFailed as error:
            raise CommandError(f"{error} What was recorded so far stays: start it again.") from error
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OSError, EOFError) as error:
            raise CommandError(f"{file} cannot be read: {error}. What was recorded so far stays.") from error
        finally:
            report.close()
        counts = heard.total
        self.stdout.write(said(counts, seconds=time.monotonic() - started, dry_run=options["dry_run"]))
        if counts.rejected:
            self.stderr.write(f"{counts.rejected:,} lines were refused; see {report.path}")
            sys.exit(1)


def size_of(file: Path) -> int:
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    return file.stat().st_size


def jobs_for(size: int) -> int:
    """Return how many processes a file is worth. SQLite has one writer at a time, whoever waits for it."""
    return min(shares.processors(), 8) if db.is_postgres() and size >= LARGE_BYTES else 1


def load(
    owner: Merchant, file: Path, share: tuple[int, int], tell: shares.Tell, options: dict[str, Any]
) -> None:
    """Record one share of the file; tell refused lines as they come, and how far it is after each chunk."""
    with opened(file) as (text, raw):
        counts = purchase_file.load(
            merchant=owner,
            file=text,
            at=timezone.now(),
            by="manage.py",
            as_of="history" if options["backdate"] else "today",
            enroll=options["enroll"],
            add_stores=options["add_stores"],
            dry_run=options["dry_run"],
            share=share,
            refuse=lambda columns, refusal: tell((columns, refusal)),
            each=lambda counts: tell((replace(counts), raw.tell())),
        )
        tell((counts, raw.tell()))


class Heard:
    """What the processes said so far: the counts of each, and how far each is in the file."""

    def __init__(self, report: Report, progress: Progress):
        self.report, self.progress = report, progress
        self.counts: dict[int, Counts] = {}
        self.places: dict[int, int] = {}

    @property
    def total(self) -> Counts:
        return sum(self.counts.values(), start=Counts())

    def hear(self, part: int, message: Any) -> None:
        match message:
            case Counts() as counts, int(place):
                self.counts[part], self.places[part] = counts, place
                self.progress.tell(self.total.lines, place=sum(self.places.values()) // len(self.places))
            case columns, refusal:
                self.report.add(columns, refusal)


def said(counts: Counts, *, seconds: float, dry_run: bool) -> str:
    parts = [
        f"{counts.created:,} recorded",
        f"{counts.replayed:,} known already",
        f"{counts.unmatched:,} waiting for their customer",
        f"{counts.rejected:,} refused",
    ]
    if counts.enrolled:
        parts.append(f"{counts.enrolled:,} customers enrolled")
    speed = f"{counts.lines / seconds:,.0f} lines/s" if seconds > 0.5 else "at once"
    tail = " Nothing was saved (--dry-run)." if dry_run else ""
    return f"{counts.lines:,} lines: {', '.join(parts)}; {counts.points:,} points; {speed}.{tail}"
