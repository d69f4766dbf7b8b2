"""Do the books add up?"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from merchants.models import Merchant

MOST_SHOWN = 200


class Command(BaseCommand):
    help = (
        "Rebuild every balance, lot and sum, of points and of gift cards, from the entries, compare with what "
        "is stored, and print each difference. Exits 1 if there is one. Changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", default="", help="only this merchant (slug)")

    def handle(self, *, merchant: str, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if merchant and owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        found = 0
        for path in settings.BOOKS:
            for difference in import_string(path)(merchant_id=owner.pk if owner else None):
                found += 1
                if found <= MOST_SHOWN:
                    self.stdout.write(difference)
        if found:
            more = f" (the first {MOST_SHOWN} are shown)" if found > MOST_SHOWN else ""
            self.stderr.write(f"{found:,} differences{more}.")
            sys.exit(1)
        self.stdout.write(f"The books add up{f' for {owner.name}' if owner else ''}.")
