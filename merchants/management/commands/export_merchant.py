"""A whole merchant as one open file."""

import gzip
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from merchants import open_file
from merchants.models import Merchant


class Command(BaseCommand):
    help = (
        "Write a merchant with its program, customers, points and history into one open file (see "
        "docs/guides/open-file.md). It holds everything about everybody, codes of vouchers too: keep it like a "
        "backup. Of the staff only owners can make it, as a long job."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", type=Path, help="where to: NAME.jsonl, or packed NAME.jsonl.gz")

    def handle(self, *, merchant: str, file: Path, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        # Beside it first: a file under its own name is always whole.
        half = file.with_name(f"{file.name}.part")
        try:
            raw = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                os.fdopen(raw, "wb") as body,
                gzip.GzipFile(filename="", fileobj=body, mode="wb") if file.suffix == ".gz" else body as sink,
                tqdm(total=open_file.count(owner), unit=" rows", disable=None, leave=False) as bar,
            ):
                lines = open_file.export(merchant=owner, at=timezone.now(), write=sink.write, each=bar.update)
            half.replace(file)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        finally:
            half.unlink(missing_ok=True)
        told = ", ".join(f"{number:,} {kind}" for kind, number in lines.items())
        self.stdout.write(f"{file}: {sum(lines.values()):,} lines ({told}).")
