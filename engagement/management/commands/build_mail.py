from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from engagement import frame


class Command(BaseCommand):
    help = "Compile the frame of the e-mails from templates/messages/frame.mjml. Commit what it writes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; fail if it is not up to date"
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        place, built = frame.folder() / "frame.html", frame.build()
        is_current = place.is_file() and place.read_text(encoding="utf-8") == built
        if check and not is_current:
            raise CommandError("templates/messages/frame.html is not up to date: run manage.py build_mail.")
        if not is_current:
            place.write_text(built, encoding="utf-8")
        self.stdout.write("Up to date." if is_current else f"Written: {place}")
