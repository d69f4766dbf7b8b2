"""A merchant's program as a file."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from lib.errors import DomainError
from loyalty import program_file


class Command(BaseCommand):
    help = (
        "Apply a program file (creates or updates the merchant and its program; again and again without "
        "harm), or export a merchant's program as one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="apply|export")
        apply = actions.add_parser(
            "apply", help="make the program say what the file says; print what changes"
        )
        apply.add_argument("file", help="a YAML file; - reads from standard input")
        apply.add_argument("--dry-run", action="store_true", help="only print what would change")
        export = actions.add_parser("export", help="print the file that describes the program in force")
        export.add_argument("merchant", help="the merchant's slug")
        export.add_argument("--program", default="", help="its name, where a merchant has several")

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            if action == "export":
                self.stdout.write(
                    program_file.export(merchant=options["merchant"], program=options["program"]), ending=""
                )
            else:
                self.apply(options["file"], dry_run=options["dry_run"])
        except DomainError as error:
            raise CommandError(str(error)) from error

    def apply(self, file: str, *, dry_run: bool) -> None:
        try:
            changes = program_file.apply(
                text=read(file), at=timezone.now(), by="manage.py", dry_run=dry_run, env=os.environ
            )
        except DomainError as error:
            raise CommandError(f"{file} was not applied:\n{error}") from error
        for change in changes:
            self.stdout.write(change)
        if not changes:
            self.stdout.write("nothing to change")
        elif dry_run:
            self.stdout.write(f"{len(changes)} to change; nothing was saved (--dry-run)")


def read(file: str) -> str:
    """Return the text of a file. :raises CommandError: with what to do"""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return body.decode("utf-8-sig")
    except FileNotFoundError:
        raise CommandError(f"There is no file {file}.") from None
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CommandError(f"{file}, line {line}: not UTF-8. Save the file as UTF-8.") from error
