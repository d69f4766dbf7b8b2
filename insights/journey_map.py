"""
The journey map: how many people reach each stage on which channel, where they go on, and where they are lost.

`fold` adds passages up and is pure; `look` asks the database, and keeps the answer for ten minutes. What it
returns is plain (lists, dicts, numbers): the page, the API and the snapshot show the same document.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import orjson
from django.core.cache import cache

from insights import journeys, passages, stages
from insights.journeys import Nodes, Scope
from insights.models import JourneySnapshot
from insights.passages import Passage
from insights.stages import Stages
from merchants.models import Merchant

Document = dict[str, Any]

DAYS = 90
KEEP_SECONDS = 600
MOST_CHANNELS = 6
MOST_PATHS = 12
OTHER, UNNAMED = "other", "unnamed"
# A ready-made flow that speaks to those who stop at a stage.
FLOWS = {
    "awareness": "welcome",
    "consideration": "abandoned-basket",
    "decision": "win-back",
    "retention": "review-request",
}


def fold(names: Sequence[str], found: Sequence[Passage]) -> Document:
    """
    Add passages up: stages, fields (stage and channel), flows between fields, and drop-offs.

    Of each field's people, those who go on and those who are lost are all: no one is counted twice.
    """
    told = _few_channels(found)
    reached, lost = Counter[int](), Counter[tuple[int, str]]()
    fields, flows = Counter[tuple[int, str]](), Counter[tuple[int, str, int, str]]()
    for passage in told:
        way = [(place, passage.channels[place] or "") for place in passage.reached]
        for here in way:
            reached[here[0]] += passage.people
            fields[here] += passage.people
        for here, there in pairwise(way):
            flows[*here, *there] += passage.people
        lost[way[-1]] += passage.people
    channels = Counter[str]()
    for (_place, channel), people in fields.items():
        channels[channel] += people
    return {
        "people": sum(passage.people for passage in told),
        "channels": [channel for channel, _ in sorted(channels.items(), key=lambda one: (-one[1], one[0]))],
        "stages": [
            {
                "stage": name,
                "people": reached[place],
                "lost": sum(people for (at, _), people in lost.items() if at == place)
                if place < len(names) - 1
                else 0,
            }
            for place, name in enumerate(names)
        ],
        "fields": [
            {"stage": names[place], "channel": channel, "people": people}
            for (place, channel), people in sorted(fields.items())
        ],
        "flows": [
            {"stage": names[a], "channel": b, "to_stage": names[c], "to_channel": d, "people": people}
            for (a, b, c, d), people in sorted(flows.items())
        ],
        "drop_offs": _drop_offs(names, told, lost),
        "best_path": _best(names, told),
    }


def _few_channels(found: Sequence[Passage]) -> list[Passage]:
    seen = Counter[str]()
    for passage in found:
        for channel in passage.channels:
            if channel:
                seen[channel] += passage.people
    shown = {
        channel for channel, _ in sorted(seen.items(), key=lambda one: (-one[1], one[0]))[:MOST_CHANNELS]
    }

    def name(channel: str | None) -> str | None:
        return channel if channel is None or channel in shown else UNNAMED if channel == "" else OTHER

    return [
        Passage(tuple(map(name, passage.channels)), passage.people, passage.revenue_minor)
        for passage in found
        if passage.reached
    ]


def _drop_offs(
    names: Sequence[str], told: Sequence[Passage], lost: Mapping[tuple[int, str], int]
) -> list[Document]:
    """Rank where people stop by what they would be worth if they were like those who went on."""
    rows = []
    for (place, channel), people in lost.items():
        on = [one for one in told if place in one.reached and one.reached[-1] > place]
        went_on = sum(one.people for one in on)
        if place == len(names) - 1:
            continue
        mean = sum(one.revenue_minor for one in on) / went_on if went_on else 0.0
        here = sum(one.people for one in told if one.channels[place] == channel)
        rows.append(
            {
                "stage": names[place],
                "channel": channel,
                "lost": people,
                "share": people / here,
                "mean_minor": round(mean),
                "value_minor": round(people * mean),
                "flow": FLOWS.get(names[place], ""),
            }
        )
    return sorted(rows, key=lambda row: (-row["value_minor"], -row["lost"], row["stage"], row["channel"]))


def _best(names: Sequence[str], told: Sequence[Passage]) -> Document | None:
    """Return the way of at least two stages that brought the most money; without money, the most people."""
    ways: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for one in told:
        if len(one.reached) > 1:
            way = tuple((names[place], one.channels[place] or "") for place in one.reached)
            sums = ways.setdefault(way, [0, 0])
            sums[0] += one.people
            sums[1] += one.revenue_minor
    if not ways:
        return None
    way, (people, revenue) = max(ways.items(), key=lambda one: (one[1][1], one[1][0], one[0]))
    steps = [{"stage": stage, "channel": channel} for stage, channel in way]
    return {"steps": steps, "people": people, "revenue_minor": revenue}


# --- asking -----------------------------------------------------------------------------------------------


def window(*, at: datetime, days: int = DAYS) -> tuple[datetime, datetime]:
    """Return the time that is looked at: so many days up to now."""
    return at - timedelta(days=days), at


def look(scope: Scope, *, days: int) -> Document:
    """Return the map of so many days up to now, at most ten minutes old; it says of when it is."""
    document: Document | None = (
        _kept(scope.merchant, scope.until) if days == DAYS and scope.segment_id is None else None
    )
    if document is None:
        own = stages.of(scope.merchant)
        key = name_of("map", scope, days, own)
        document = cache.get(key)
        if document is None:
            document = make(scope, own)
            cache.set(key, document, KEEP_SECONDS)
    return document


def make(scope: Scope, own: Stages) -> Document:
    """Ask the database for a map."""
    used = {name: kinds for name, kinds in own.items() if kinds}
    ways = journeys.ways(scope, used, limit=MOST_PATHS)
    return {
        "as_of": scope.until.isoformat(),
        "since": scope.since.isoformat(),
        "currency": scope.merchant.currency,
        **fold(list(used), passages.passages(scope, used)),
        "paths": [
            {"stages": list(way.nodes), "people": way.people, "is_whole": way.is_whole} for way in ways
        ],
        "unmapped": [{"kind": kind, "touchpoints": count} for kind, count in passages.unmapped(scope, used)],
    }


def funnel(scope: Scope, steps: Nodes, *, within: timedelta, days: int) -> list[dict[str, Any]]:
    """Return the steps of a funnel with how many people got there, at most ten minutes old."""
    key = name_of("funnel", scope, days, [[list(kinds) for kinds in steps.values()], within.total_seconds()])
    found: list[dict[str, Any]] | None = cache.get(key)
    if found is None:
        found = [asdict(one) for one in journeys.funnel(scope, steps, within=within)]
        cache.set(key, found, KEEP_SECONDS)
    return found


def name_of(what: str, scope: Scope, days: int, definition: Any) -> str:
    """Return the name under which an answer is kept: everything that would make another one."""
    told = orjson.dumps([scope.merchant.pk, scope.segment_id, days, definition])
    return f"journey-{what}:{sha256(told).hexdigest()}"


def snapshot(*, merchant: Merchant, at: datetime) -> None:
    """Make the map that the page opens with. Doing it again makes it newer."""
    since, until = window(at=at)
    began = time.perf_counter()
    document = make(Scope(merchant, since, until), stages.of(merchant))
    JourneySnapshot.objects.update_or_create(
        merchant=merchant,
        defaults={"document": document, "made_at": at, "seconds": round(time.perf_counter() - began, 3)},
    )


def snapshot_everybody(*, at: datetime) -> int:
    """Make the map of every merchant that is open; return how many."""
    open_ones = Merchant.objects.filter(is_active=True).order_by("pk")
    for merchant in open_ones:
        snapshot(merchant=merchant, at=at)
    return len(open_ones)


def _kept(merchant: Merchant, at: datetime) -> Document | None:
    found = JourneySnapshot.objects.filter(
        merchant=merchant, made_at__gt=at - timedelta(hours=2), made_at__lte=at
    ).first()
    return None if found is None else found.document
