"""Count segments in full, now."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from customers import changes, segments
from customers.models import Customer, Segment


class Command(BaseCommand):
    help = "Count segments in full, due or not, and print how many customers are in each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", default="", help="only this merchant's (slug)")
        parser.add_argument("--segment", default="", help="only this one (its id)")

    def handle(self, *, merchant: str, segment: str, **options: Any) -> None:
        at = timezone.now()
        while changes.follow(at=at):
            pass
        rows = Segment.objects.select_related("merchant").order_by("merchant__slug", "code")
        if merchant:
            rows = rows.filter(merchant__slug=merchant)
        if segment:
            rows = rows.filter(code=segment)
        if (merchant or segment) and not rows:
            raise CommandError("There is no such segment.")
        for one in rows:
            people = Customer.objects.filter(merchant=one.merchant_id).count()
            with tqdm(total=people, unit=" customers", disable=not sys.stderr.isatty(), leave=False) as bar:
                for looked_at in segments.refreshing(segment=one, at=at):
                    bar.update(looked_at)
            one.refresh_from_db()
            done = (
                f"{one.members:,} in {one.seconds:.1f} s"
                if one.refreshed_at == at
                else "is counted elsewhere"
            )
            self.stdout.write(f"{one.merchant.slug} {one.code}: {done}")
