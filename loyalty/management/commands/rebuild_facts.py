"""Customer days and RFM, made anew."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from customers.models import Customer
from loyalty import customer_days, rfm
from merchants.models import Merchant


class Command(BaseCommand):
    help = (
        "Make what every customer was worth per day anew from purchases and refunds, then who buys lately, "
        "often and for much. For after an import; repeatable, and harmless while the shop is open."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", default="", help="only this merchant (slug)")

    def handle(self, *, merchant: str, **options: Any) -> None:
        at = timezone.now()
        rows = Merchant.objects.filter(is_active=True).order_by("slug")
        if merchant and not (rows := rows.filter(slug=merchant)):
            raise CommandError(f"There is no merchant {merchant!r}.")
        for one in rows:
            done, people = 0, Customer.objects.filter(merchant=one).count()
            with tqdm(total=people, unit=" customers", disable=not sys.stderr.isatty(), leave=False) as bar:
                for some in customer_days.rebuild(merchant=one, at=at):
                    done += some
                    bar.update(some)
            moved = rfm.score(merchant=one, at=at)
            self.stdout.write(f"{one.slug}: {done:,} customers, {moved:,} changed their RFM group or scores")
