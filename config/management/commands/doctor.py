"""Is everything well, and what to do if not: one line each."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.diagnosis import FAIL, OK, WARN, Finding, examine


class Command(BaseCommand):
    help = (
        "Check settings, database, migrations, triggers, clock, broker, worker, cache, mail, keys, disk, and "
        "say in one line each what to do. Exits 1 if something fails; a warning does not count."
    )
    # The settings are one of the things to look at, so that a contradiction there is one line of many.
    requires_system_checks: list[str] = []  # type: ignore[assignment]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *, json: bool, **options: Any) -> None:
        found = []
        for finding in examine():
            found.append(finding)
            if not json:
                self.print_line(finding)
        if json:
            self.stdout.write(as_json(found))
        if any(finding.state == FAIL for finding in found):
            sys.exit(1)

    def print_line(self, finding: Finding) -> None:
        style = {OK: self.style.SUCCESS, WARN: self.style.WARNING, FAIL: self.style.ERROR}[finding.state]
        todo = f" -> {finding.todo}" if finding.todo else ""
        self.stdout.write(
            f"{style(f'{finding.state:<4}')} {finding.name.rstrip('_'):<10} {finding.said}{todo}"
        )


def as_json(found: list[Finding]) -> str:
    return json.dumps({"findings": [finding.as_dict() for finding in found]}, indent=2)
