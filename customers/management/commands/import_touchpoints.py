"""Touchpoints from a CSV file."""

import csv
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from customers import touchpoint_file
from customers.touchpoint_file import Line
from lib.errors import DomainError
from merchants.models import Merchant


class Command(BaseCommand):
    help = (
        "Bring in what customers and visitors did from a CSV file, as history: nothing is sent, no points are given. "
        "Stop it and start it again as you like. Refused lines go to FILE.errors.csv; exits 1 if there were any. "
        f"Columns: {', '.join(touchpoint_file.COLUMNS)}."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", type=Path, help="a CSV file in UTF-8")

    def handle(self, *, merchant: str, file: Path, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        bar = tqdm(unit=" lines", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False)
        refused: list[tuple[Any, ...]] = []

        def refuse(number: int, line: Line, error: DomainError) -> None:
            told = {name: value for name, value in line.items() if isinstance(value, str)}
            refused.append((number, error.code, str(error), *told.values()))

        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                counts = touchpoint_file.load(
                    merchant=owner,
                    file=lines,
                    at=timezone.now(),
                    refuse=refuse,
                    each=lambda counts: bar.update(counts.lines - bar.n) and None,
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(
                f"{file} cannot be read: {error}. What was brought in so far stays."
            ) from error
        finally:
            bar.close()
        self.stdout.write(f"{counts.created:,} touchpoints are new, {counts.replayed:,} were here already.")
        if refused:
            place = file.with_name(f"{file.name}.errors.csv")
            with place.open("w", encoding="utf-8", newline="") as report:
                csv.writer(report).writerows([("line", "code", "reason"), *refused])
            self.stderr.write(f"{len(refused):,} lines were refused; see {place}")
            sys.exit(1)
