"""Customers and consents from a CRM's export."""

import csv
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from connectors import column_maps, customer_file
from connectors.column_maps import ColumnMap
from connectors.customer_file import Counts, Refusal
from lib.errors import DomainError
from merchants.models import Merchant

REPORT = ("line", "code", "reason")


class Command(BaseCommand):
    help = (
        "Bring in customers and consents from a CSV file of a CRM, by its own ids. The later word stands: what is "
        "older than what is known changes nothing, and nobody who unsubscribed is subscribed again by an older "
        "file. Stop it and start it again as you like. Refused lines go to FILE.errors.csv; exits 1 if there "
        "were any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8")
        known = ", ".join(column_maps.all_maps())
        parser.add_argument("--source", default="plain", help=f"whose export it is: {known} (default: plain)")
        parser.add_argument("--map", type=Path, help="a column map of your own (YAML)")
        parser.add_argument("--welcome", action="store_true", help="give new members the welcome points")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, save nothing")

    def handle(self, *, merchant: str, file: Path, source: str, map: Path | None, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        columns, report = self._map(source, map), Report(file)
        bar = tqdm(unit=" lines", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False)
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                counts = customer_file.load(
                    merchant=owner,
                    file=lines,
                    map=columns,
                    at=timezone.now(),
                    by="import",
                    welcome=options["welcome"],
                    dry_run=options["dry_run"],
                    refuse=report.add,
                    each=lambda counts: _show(bar, counts),
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"{file} cannot be read: {error}. What was brought in so far stays."
            ) from error
        finally:
            bar.close()
            report.close()
        self.stdout.write(customer_file.shown(counts, dry_run=options["dry_run"]))
        if counts.rejected:
            self.stderr.write(f"{counts.rejected:,} lines were refused; see {report.path}")
            sys.exit(1)

    def _map(self, source: str, path: Path | None) -> ColumnMap:
        if path is not None:
            try:
                return column_maps.read(path)
            except (OSError, ValueError) as error:
                raise CommandError(f"{path} is no column map: {error}") from error
        found = column_maps.all_maps().get(source)
        if found is None:
            known = ", ".join(column_maps.all_maps())
            raise CommandError(f"There is no column map {source!r}. Known: {known}; or write one, for --map.")
        return found


def _show(bar: Any, counts: Counts) -> None:
    bar.update(counts.lines - bar.n)


class Report:
    """The refused lines, with why: made when there is one."""

    def __init__(self, file: Path):
        self.path = file.with_name(f"{file.name}.errors.csv")
        self._file: Any = None

    def add(self, columns: Sequence[str], refusal: Refusal) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow([*REPORT, *columns])
        csv.writer(self._file).writerow([refusal.line, refusal.code, refusal.reason, *refusal.row])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
