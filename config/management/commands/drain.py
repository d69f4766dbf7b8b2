"""Everything that is due now, until nothing is left."""

import json as jsons
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string
from tqdm import tqdm

from config import periodic
from connectors import inbox, notices, outbox
from customers import changes, journey, segments
from engagement import fair_expiry, flows, measuring, messages, recipients
from insights import points, snapshots
from loyalty import bonuses, expiry, matching, parking, referrals, tier_reviews
from merchants import jobs
from merchants.models import Merchant
from rewards import pools

MOST_ROUNDS = 10_000  # a piece that always finds something would else never end


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Some of the timetable's work: `act` takes `at` and `merchant`, and returns how many rows it did.

    What `is_for_all` knows no merchant: it is left out where only one's work is done. Upkeep is done once, and
    only if the timetable says that it is time again: cron may drain every minute.
    """

    name: str
    task: str
    act: Callable[..., int]
    is_for_all: bool = False
    is_upkeep: bool = False

    def is_left_out(self, merchant: Merchant | None, round: int, at: datetime) -> bool:
        if merchant is not None:
            return self.is_for_all or self.is_upkeep
        return self.is_upkeep and (round > 0 or not periodic.is_time(task=self.task, at=at))


def _for_all(name: str, task: str, act: Callable[..., int], **more: Any) -> Piece:
    return Piece(name, task, lambda at, merchant: act(at=at), is_for_all=True, **more)


PIECES = [
    Piece(
        "inbox", "connectors.tasks.drain", lambda at, merchant: inbox.drain(at=at, merchant=merchant).taken
    ),
    Piece("touchpoints", "customers.tasks.relay", journey.relay),
    Piece("matched", "loyalty.tasks.match", matching.match_everybody),
    Piece("parked", "loyalty.tasks.match", parking.unpark_everybody),
    _for_all("referrals", "loyalty.tasks.pay_referrals", referrals.run),
    # Before they expire: what nobody was told of is kept longer.
    Piece("extended", "engagement.tasks.extend", fair_expiry.extend_due),
    Piece("expiry", "loyalty.tasks.settle", expiry.run),
    Piece("birthdays", "loyalty.tasks.give_birthdays", bonuses.give_birthdays),
    Piece("tier_sets", "loyalty.tasks.review_tiers", tier_reviews.publish_due),
    Piece("tiers", "loyalty.tasks.review_tiers", tier_reviews.review_due),
    Piece("changes", "customers.tasks.follow", lambda at, merchant: changes.follow(at=at)),
    Piece("segments", "customers.tasks.refresh_segments", segments.refresh_due),
    Piece("points", "insights.tasks.roll_up_points", points.roll_up_all),
    Piece("reports", "insights.tasks.refresh", snapshots.refresh_due),
    Piece("webhooks", "connectors.tasks.send", outbox.send_due),
    _for_all("endpoints", "connectors.tasks.tell_of_endpoints", notices.tell),
    _for_all("pools", "rewards.tasks.warn_low_pools", pools.warn),
    Piece("flow_dates", "engagement.tasks.scan", flows.scan_due),
    Piece("flows", "engagement.tasks.step", flows.step_due),
    Piece("experiments", "engagement.tasks.measure", measuring.measure_due),
    Piece("campaigns", "engagement.tasks.write_recipients", recipients.write_due),
    Piece("messages", "engagement.tasks.send", messages.send_due),
    Piece(
        "jobs",
        "merchants.tasks.work",
        lambda at, merchant: jobs.work_due(clock=timezone.now, merchant=merchant),
    ),
    *(
        Piece(name, task, lambda at, merchant, task=task: import_string(task)(), is_upkeep=True)
        for name, task in {
            "customer_days": "loyalty.tasks.rebuild_days",
            "rfm": "loyalty.tasks.score_rfm",
            "rehearsals": "insights.tasks.rehearse",
            "recommendations": "insights.tasks.recommend",
            "journey_maps": "insights.tasks.draw_maps",
            "old_sightings": "loyalty.tasks.forget_sightings",
            "old_codes": "customers.tasks.forget_codes",
            "old_messages": "connectors.tasks.empty_bodies",
            "old_sessions": "portal.tasks.forget",
            "old_answers": "api.tasks.purge_answers",
            "old_files": "merchants.tasks.forget_files",
            "old_hours": "config.tasks.forget_hours",
        }.items()
    ),
]


class Command(BaseCommand):
    help = (
        "Do everything that is due now: messages of other machines, touchpoints, sales that wait for their "
        "customer, points that become usable or expire, birthdays, tiers, referrals, segments, reports, messages to "
        "customers, outgoing webhooks, long jobs, and what is forgotten in time. A shop without a worker runs it "
        "from cron; a worker does the same pieces continuously, and both at once do no harm."
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
    for number in range(MOST_ROUNDS):
        busy = 0
        for piece in PIECES:
            now = at or timezone.now()
            if piece.is_left_out(merchant, number, now):
                continue
            done = _recorded(piece, merchant, now)
            busy += 0 if piece.is_upkeep else done
            yield piece.name, done
        if not busy:
            return


def _recorded(piece: Piece, merchant: Merchant | None, at: datetime) -> int:
    """Do a piece once. What is done for everybody counts as a run of its task: the timetable's page shows it."""
    if merchant is not None:
        return piece.act(at=at, merchant=merchant)
    began = time.monotonic()
    error = "interrupted"
    done = 0
    try:
        done = piece.act(at=at, merchant=None)
        error = ""
    except Exception as broken:
        error = f"{type(broken).__name__}: {broken}".split("\n")[0]
        raise
    finally:
        seconds = time.monotonic() - began
        periodic.end(periodic.Run(piece.task, at, timezone.now(), seconds, done, error))
    return done


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
