"""Reports made anew, now."""

import json as jsons
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from insights import snapshots
from merchants.models import Merchant


class Command(BaseCommand):
    help = (
        "Make the reports on customer value and retention anew: of every merchant, or of one. A worker does it every "
        "night; running it twice, or beside the worker, does no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", default="", help="only this merchant (slug)")
        parser.add_argument("--json", action="store_true", help="print what was found as JSON")

    def handle(self, *, merchant: str, json: bool, **options: Any) -> None:
        owners = list(Merchant.objects.filter(is_active=True, **({"slug": merchant} if merchant else {})))
        if merchant and not owners:
            raise CommandError(f"There is no active merchant {merchant!r}.")
        found = []
        for owner in owners:
            quiet = json or not sys.stderr.isatty()
            with tqdm(
                total=100, desc=owner.slug, unit="%", disable=quiet, file=sys.stderr, leave=False
            ) as bar:

                def tell(step: str, percent: int, bar: Any = bar) -> None:
                    bar.set_postfix_str(step)
                    bar.update(percent - bar.n)

                try:
                    run = snapshots.refresh(merchant=owner, at=timezone.now(), tell=tell)
                except snapshots.RefreshIsRunning as refusal:
                    raise CommandError(f"{owner.slug}: {refusal} Try again when it is done.") from None
            found.append(
                {"merchant": owner.slug, "as_of": run.as_of.isoformat(), "status": run.status,
                 "customers": run.customers, "value_minor": run.value_minor, "seconds": run.seconds}
            )  # fmt: skip
        if json:
            self.stdout.write(jsons.dumps(found))
        for one in () if json else found:
            self.stdout.write("{merchant}: {customers:,} buyers, {status}, {seconds} s".format(**one))
