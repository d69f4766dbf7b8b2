"""A draft of a program tried out on the past."""

from argparse import ArgumentParser
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from insights import rehearsal, rehearsal_words
from lib.errors import DomainError
from loyalty import drafts, program_rows
from merchants.models import Merchant


class Command(BaseCommand):
    help = (
        "Live the last months again under a draft of a merchant's program (a program file, see `program "
        "export`) and say who would have gained, who lost, and what it costs. Nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("file", help="a program file with the draft")
        parser.add_argument("--months", type=int, default=12, help="so many months back (default 12)")
        parser.add_argument("--program", default="", help="its name, where a merchant has several")
        parser.add_argument("--full", action="store_true", help="never draw customers, however many sales")
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")

    def handle(self, *, merchant: str, file: str, **options: Any) -> None:
        found = Merchant.objects.filter(slug=merchant).first()
        program = program_rows.find(merchant=found, name=options["program"]) if found else None
        if program is None:
            raise CommandError(f"There is no merchant {merchant!r} with a program.")
        if not 1 <= options["months"] <= rehearsal.MOST_MONTHS:
            raise CommandError(f"--months: 1 to {rehearsal.MOST_MONTHS}.")
        try:
            text = Path(file).read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}") from error
        try:
            draft = drafts.of_file(text=text, program=program)
            with tqdm(unit=" customers", disable=None) as bar:

                def progress(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                figures = rehearsal.rehearse(
                    program=program,
                    draft=draft,
                    months=options["months"],
                    at=timezone.now(),
                    progress=progress,
                    most_sales=None if options["full"] else rehearsal.MOST_SALES,
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        changes = drafts.changes(draft, program)
        if options["json"]:
            told = {"changes": changes, **figures}
            self.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=_plain).decode())
            return
        for change in changes or ["The draft says what is published."]:
            self.stdout.write(f"  {change}")
        for sentence in rehearsal_words.sentences(figures):
            self.stdout.write(sentence)


def _plain(value: Any) -> str:
    assert isinstance(value, Decimal)
    return f"{value:f}"
