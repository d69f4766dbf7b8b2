"""
A draft of a program tried out on the past: who would have gained, who lost, what it costs.

The same sales, refunds and redemptions are lived again twice (`insights.replay`), under the program in force
and under the draft, both for the whole time. Only the run itself is written. docs/guides/merchants.md says
what is and is not in the figures.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db.models import Q

from insights.models import RehearsalRun
from insights.past_reading import Reader, chunks
from insights.pasts import Past, Sold
from insights.rehearsal_sums import Sums, months_between
from insights.replay import Ledger, begin, live
from lib import db
from lib.errors import Malformed, Refused
from lib.wake import wake
from loyalty import calendar, drafts, programs
from loyalty.awards import Award
from loyalty.drafts import Draft
from loyalty.models import Program
from loyalty.plan import Plan

MOST_MONTHS = 60
# More sales than this are not all lived again: customers are drawn, and the figures say how sure they are.
MOST_SALES = 200_000
PARTS = 10_000
# A run that did not move for so long lost its worker.
LEASE = timedelta(minutes=5)
MOST_WAITING = 5

Progress = Callable[[int, int], None]


class Cancelled(Exception):
    """Somebody does not want the answer any more."""


class BadMonths(Malformed):
    code = "bad_months"


class TooManyRehearsals(Refused):
    """A few may wait; a queue of them would keep the worker from its other work."""

    code = "too_many_rehearsals"


@db.command
def order(
    *, program: Program, draft: Draft, name: str, at: datetime, by: str, months: int = 12
) -> RehearsalRun:
    """
    Ask for a rehearsal of a draft over the last `months`; a worker runs it.

    :raises BadMonths: not 1 to 60 months
    :raises TooManyRehearsals: five of this merchant wait or run already
    :raises NoProgram: nothing is published that the draft could be compared with
    """
    if not 1 <= months <= MOST_MONTHS:
        raise BadMonths(f"Rehearse 1 to {MOST_MONTHS} months.")
    programs.current(merchant=program.merchant, program_id=program.pk)
    waiting = RehearsalRun.objects.filter(merchant=program.merchant_id, status__in=("waiting", "running"))
    if waiting.count() >= MOST_WAITING:
        raise TooManyRehearsals(
            f"{MOST_WAITING} rehearsals wait or run already. Let them end, or cancel one."
        )
    data = draft.as_data()
    run = RehearsalRun.objects.create(
        merchant_id=program.merchant_id,
        program=program,
        name=name[:200],
        months=months,
        draft=data,
        digest=hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        changes=drafts.changes(draft, program),
        as_of=at,
        by=by,
    )
    wake("insights.tasks.rehearse")
    return run


@db.command
def cancel(*, run: RehearsalRun, at: datetime) -> bool:
    """Stop a run that waits or runs; return whether there was something to stop."""
    open_runs = RehearsalRun.objects.filter(pk=run.pk, status__in=("waiting", "running"))
    return bool(open_runs.update(status="cancelled", finished_at=at))


@db.command
def claim(*, at: datetime) -> RehearsalRun | None:
    """Take the oldest run that waits, or whose worker is gone; None when there is none."""
    due = Q(status="waiting") | Q(status="running", beat_at__lt=at - LEASE)
    rows = RehearsalRun.objects.filter(due).select_related("program__merchant").order_by("pk")
    run = rows.select_for_update(skip_locked=True, of=("self",)).first()
    if run is not None:
        run.status, run.beat_at, run.members_done = "running", at, 0
        run.save(update_fields=["status", "beat_at", "members_done"])
    return run


def perform(*, run: RehearsalRun, clock: Callable[[], datetime]) -> bool:
    """Live the run's past and keep its figures; return False when it was cancelled meanwhile."""

    def beat(done: int, total: int) -> None:
        own = RehearsalRun.objects.filter(pk=run.pk, status="running")
        if not own.update(members_done=done, members_total=total, beat_at=clock()):
            raise Cancelled

    try:
        figures = rehearse(
            program=run.program,
            draft=drafts.of_data(run.draft),
            months=run.months,
            at=run.as_of,
            progress=beat,
        )
    except Cancelled:
        return False
    own = RehearsalRun.objects.filter(pk=run.pk, status="running")
    return bool(own.update(status="done", figures=figures, finished_at=clock()))


@db.command
def give_up(*, run: RehearsalRun, fault: str, at: datetime) -> None:
    """Keep why a run failed: it is not tried again by itself."""
    RehearsalRun.objects.filter(pk=run.pk, status="running").update(
        status="failed", fault=fault[:300], finished_at=at
    )


def rehearse(
    *,
    program: Program,
    draft: Draft,
    months: int,
    at: datetime,
    progress: Progress | None = None,
    most_sales: int | None = MOST_SALES,
    each: Callable[[Sold, Award], None] | None = None,
) -> dict[str, Any]:
    """
    Return what would have been different with the draft in the `months` before `at`. Writes nothing.

    Above `most_sales` customers are drawn (None: never); `progress` is told how many are done, of how many;
    `each` hears every sale with what it earns under the program in force.
    """
    now = programs.current(merchant=program.merchant, program_id=program.pk)
    then = drafts.plan_of(draft, like=now)
    since = begins(now, months=months, at=at)
    reader = Reader(
        merchant=program.merchant,
        plan=now,
        since=since,
        until=at,
        names_segments=now.names_segments or then.names_segments,
    )
    members = reader.members().count()
    part = _part(reader, most_sales)
    sums = Sums(Ledger(now), Ledger(then))
    for ledger in (sums.old, sums.new):
        months_between(since, at, ledger)
    total = round(members * part / PARTS)
    for some in chunks(_drawn(reader, part)):
        for past in reader.read(some):
            _live_twice(past, sums, since=since, until=at, each=each)
        if progress:
            progress(sums.members, max(total, sums.members))
    figures = sums.figures(of=members, cost_minor=(program.point_cost_minor, draft.cost_minor))
    everybody = program.memberships.filter(joined_at__lte=at).count()
    return {
        **figures,
        "since": since.isoformat(),
        "until": at.isoformat(),
        "currency": now.currency,
        "points_name": now.points_name,
        "left_out": everybody - members,
    }


def begins(plan: Plan, *, months: int, at: datetime) -> datetime:
    """Return the local midnight at which the last `months` begin."""
    return calendar.midnight(calendar.add_months(plan.local(at).date(), -months), plan.zone)


def _part(reader: Reader, most_sales: int | None) -> int:
    """Return how many of ten thousand customers are drawn."""
    if most_sales is None:
        return PARTS
    sales = reader.purchases().count()
    return PARTS if sales <= most_sales else max(1, PARTS * most_sales // sales)


def _drawn(reader: Reader, part: int) -> Iterator[int]:
    """Yield memberships in the order of their ids; the same ones each time, so that drafts can be compared."""
    last = 0
    while numbers := list(
        reader.members().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:READ_AT_ONCE]
    ):
        for number in numbers:
            if part == PARTS or zlib.crc32(number.to_bytes(8, "big")) % PARTS < part:
                yield number
        last = numbers[-1]


READ_AT_ONCE = 5_000


def _live_twice(
    past: Past,
    sums: Sums,
    *,
    since: datetime,
    until: datetime,
    each: Callable[[Sold, Award], None] | None,
) -> None:
    def compare(sold: Sold, award: Award) -> None:
        sums.sales += 1
        sums.reproduced += award.points == sold.earned
        if each is not None:
            each(sold, award)

    old = begin(past, sums.old, at=since, is_draft=False)
    new = begin(past, sums.new, at=since, is_draft=True)
    live(past, old, until=until, each=compare)
    live(past, new, until=until)
    sums.add(old, new)
