"""Balances of another system from a CSV file."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lib import cycles
from lib.errors import DomainError
from loyalty import balance_file, column_map, histories
from loyalty.csv_files import Progress, Report, opened
from merchants.models import Merchant

Runs = dict[str, tuple[Any, Report]]  # what was loaded: its counts, and the report of its refused rows


class Command(BaseCommand):
    help = (
        "Bring customers with their points, tiers and dates from another system's CSV file. Stop it and start it "
        "again as you like: what is brought in stays so, once. Refused rows go to FILE.errors.csv; exits 1 if "
        "there were any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8, also packed (.csv.gz)")
        parser.add_argument(
            "--map",
            default="ours",
            help=f"which columns mean what: {', '.join(column_map.names())}, or the path of your own map",
        )
        parser.add_argument(
            "--history",
            type=Path,
            help="a CSV file of what happened there (customer, at, points, reason, reference), for the statements",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, save nothing")
        parser.add_argument("--report", type=Path, help="where refused rows go (default: FILE.errors.csv)")
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *, merchant: str, file: Path, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        cycles.search_rarely()
        started = time.monotonic()
        try:
            runs = self.bring(owner, file, **options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OSError, EOFError) as error:
            raise CommandError(
                f"A file cannot be read: {error}. What was brought in so far stays."
            ) from error
        self.tell(runs, seconds=time.monotonic() - started, **options)
        reports = [str(report.path) for counts, report in runs.values() if counts.rejected]
        if reports:
            self.stderr.write(f"Some rows were refused; see {' and '.join(reports)}")
            sys.exit(1)

    def bring(self, owner: Merchant, file: Path, **options: Any) -> Runs:
        """Load the history, if there is one, and then the balances: so that the history stands below them."""
        columns = column_map.load(options["map"])
        given = {"merchant": owner, "columns": columns, "at": timezone.now(), "dry_run": options["dry_run"]}
        given["by"] = f"import:{columns.system}"
        runs: Runs = {}
        if options["history"]:
            runs["history"] = run(histories.load, options["history"], None, given)
        runs["balances"] = run(balance_file.load, file, options["report"], given)
        return runs

    def tell(self, runs: Runs, *, seconds: float, **options: Any) -> None:
        counts = runs["balances"][0]
        history = runs["history"][0] if "history" in runs else None
        if options["json"]:
            told = asdict(counts) | {"history": asdict(history) if history else None}
            self.stdout.write(json.dumps(told | {"dry_run": options["dry_run"]}))
            return
        for sentence in said(counts, seconds=seconds):
            self.stdout.write(sentence)
        if history:
            self.stdout.write(
                f"History: {history.created:,} lines written, {history.replayed:,} known already, "
                f"{history.rejected:,} refused."
            )
        if options["dry_run"]:
            self.stdout.write("Nothing was saved (--dry-run).")


def run(load: Callable[..., Any], file: Path, path: Path | None, given: dict[str, Any]) -> tuple[Any, Report]:
    """Load one file with a bar and a report of its refused rows; return the counts and the report."""
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    report = Report(file, path)
    try:
        with Progress(size=file.stat().st_size) as progress, opened(file) as (text, raw):

            def each(so_far: Any) -> None:
                progress.tell(so_far if isinstance(so_far, int) else so_far.rows, place=raw.tell())

            return load(file=text, refuse=report.add, each=each, **given), report
    finally:
        report.close()


def said(counts: balance_file.Counts, *, seconds: float) -> list[str]:
    """Return the counts as sentences: what came in ties to what the file says."""
    speed = f"{counts.rows / seconds:,.0f} rows/s" if seconds > 0.5 else "at once"
    sentences = [
        f"{counts.rows:,} rows: {counts.created:,} brought in, {counts.replayed:,} known already, "
        f"{counts.skipped:,} of nobody in the program, {counts.rejected:,} refused; {speed}.",
        f"{counts.points_in_file:,} points in the file: {counts.points:,} brought in, "
        f"{counts.points_before:,} known already, {counts.points_rejected:,} in rows that were refused.",
        f"{counts.customers:,} customers, {counts.enrolled:,} of them new here.",
    ]
    if counts.tiers:
        tiers = ", ".join(f"{name} {number:,}" for name, number in sorted(counts.tiers.items()))
        sentences.append(f"Rows by tier: {tiers}.")
    if counts.unknown_columns:
        sentences.append(
            f"Columns the map does not know, not brought in: {', '.join(counts.unknown_columns)}."
        )
    return sentences
