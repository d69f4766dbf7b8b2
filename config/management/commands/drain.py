"""Everything that is due now, until nothing is left."""

import json as jsons
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from tqdm import tqdm

from connectors import inbox, outbox
from customers import changes, journey, segments
from engagement import fair_expiry, flows, measuring, messages, recipients
from loyalty import bonuses, expiry, matching, tier_reviews
from merchants.models import Merchant

Count = Callable[[], int]
MOST_ROUNDS = 10_000  # a piece that always finds something would else never end


class Command(BaseCommand):
    help = (
        "Do everything that is due now: messages of other machines, touchpoints, sales that wait for their "
        "customer, points that become usable or expire, birthdays, tiers, segments, messages to customers, outgoing "
        "webhooks. A shop without a worker runs it from cron; a worker does the same pieces continuously, and both at "
        "once do no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--merchant", default="", help="only this merchant (slug)")
        parser.add_argument(
            "--at", default="", help="as if it were this time, like 2026-12-31T23:00:00Z: sandboxes only"
        )
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *, merchant: str, at: str, json: bool, **options: Any) -> None:
        counts: dict[str, int] = {}
        bar = tqdm(unit=" done", disable=json or not sys.stderr.isatty(), file=sys.stderr, leave=False)
        for owner in self.owners(merchant, moment(at)):
            for name, done in run(merchant=owner, at=moment(at)):
                counts[name] = counts.get(name, 0) + done
                bar.update(done)
        bar.close()
        if json:
            self.stdout.write(jsons.dumps(counts))
        else:
            said = ", ".join(f"{name} {done:,}" for name, done in counts.items() if done)
            self.stdout.write(said or "Nothing was due.")

    def owners(self, slug: str, at: datetime | None) -> list[Merchant | None]:
        """Return whose work is done; None is everybody's, in one go."""
        if not slug:
            # Another time than now is for rehearsal only: it must never expire a real customer's points.
            return list(Merchant.objects.filter(is_test=True)) if at else [None]
        owner = Merchant.objects.filter(slug=slug).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {slug!r}. Known: {known or 'none yet'}.")
        if at and not owner.is_test:
            raise CommandError(f"{owner.name} is live: --at works on sandboxes (test: true) only.")
        return [owner]


def run(*, merchant: Merchant | None, at: datetime | None) -> Iterator[tuple[str, int]]:
    """Do each piece again and again until a whole round finds nothing; yield what each has done."""
    for _ in range(MOST_ROUNDS):
        busy = 0
        for name, piece in pieces(merchant=merchant, at=at or timezone.now()).items():
            done = piece()
            busy += done
            yield name, done
        if not busy:
            return


def pieces(*, merchant: Merchant | None, at: datetime) -> dict[str, Count]:
    return {
        "inbox": lambda: inbox.drain(at=at, merchant=merchant).taken,
        "touchpoints": lambda: journey.relay(at=at, merchant=merchant),
        "matched": lambda: matching.match_everybody(at=at, merchant=merchant),
        # Before they expire: what nobody was told of is kept longer.
        "extended": lambda: fair_expiry.extend_due(at=at, merchant=merchant),
        "expiry": lambda: expiry.run(at=at, merchant=merchant),
        "birthdays": lambda: bonuses.give_birthdays(at=at, merchant=merchant),
        "tier_sets": lambda: tier_reviews.publish_due(at=at, merchant=merchant),
        "tiers": lambda: tier_reviews.review_due(at=at, merchant=merchant),
        "changes": lambda: changes.follow(at=at),
        "segments": lambda: segments.refresh_due(at=at, merchant=merchant),
        "webhooks": lambda: outbox.send_due(at=at, merchant=merchant),
        "flow_dates": lambda: flows.scan_due(at=at, merchant=merchant),
        "flows": lambda: flows.step_due(at=at, merchant=merchant),
        "experiments": lambda: measuring.measure_due(at=at, merchant=merchant),
        "campaigns": lambda: recipients.write_due(at=at, merchant=merchant),
        "messages": lambda: messages.send_due(at=at, merchant=merchant),
    }


def moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        read = parse_datetime(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise CommandError(f"--at {text!r} is not a time with its offset, like 2026-12-31T23:00:00Z.")
    return read
