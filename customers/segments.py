"""
Who is in which segment, kept up to date.

A segment is counted in full when its rule was edited and from then on every quarter of an hour, because time
alone moves people ("no purchase for 60 days"); in between, whoever was touched is looked at within seconds
(`follow`, told by `customers.changes`). Both say the same two statements over some customers: enter who
fits, remove who does not, and note a touchpoint for each, in one transaction. A row that is there already is
neither written nor noted, so that any of it may run twice, or at once.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from customers import journey, segment_rules
from customers.models import Customer, Segment, SegmentMember
from customers.predicates.base import ALONE, Moment, Where
from customers.segment_rules import BadRule
from lib import db, public_ids
from lib.errors import Conflict, Fault
from merchants.models import Merchant

CHUNK = 20_000
EVERY = timedelta(minutes=15)
# A segment that takes long is counted less often: it never keeps a worker busy more than a twentieth.
REST = 20
LEASE = timedelta(minutes=15)
EXAMPLES = 10


class SegmentIdTaken(Conflict):
    code = "segment_id_taken"


@dataclass(frozen=True, slots=True)
class Preview:
    """How many customers a rule fits now, and some of them, the newest first."""

    count: int
    examples: list[Customer]


# --- editing --------------------------------------------------------------------------------------------


@db.inside_transaction
def save(*, segment: Segment, rule: Any, at: datetime, by: str = "") -> Segment:
    """
    Put an edited segment in force: it is counted in full soon.

    :raises BadRule: the rule is not one
    :raises SegmentIdTaken: another segment of the merchant has this id
    """
    segment.rule = segment_rules.read(rule)
    others = Segment.objects.filter(merchant_id=segment.merchant_id, code=segment.code).exclude(pk=segment.pk)
    if others.exists():
        raise SegmentIdTaken(
            f"There is a segment {segment.code} already.",
            faults=[Fault("/id", "taken", "is another segment's")],
        )
    segment.changed_at, segment.refreshed_at = at, None
    segment._change_reason = by  # type: ignore[attr-defined]
    segment.save()
    return segment


def preview(*, merchant: Merchant, rule: Any, at: datetime) -> Preview:
    """
    Count whom a rule fits now, without saving anything.

    :raises BadRule: the rule is not one
    """
    text, values = segment_rules.where(rule, Moment(merchant, at))
    counted = db.ask(
        f"SELECT COUNT(*) FROM customers_customer c WHERE c.merchant_id = %s AND c.status = 'active' AND ({text})",
        [merchant.pk, *values],
    ).one
    some = db.ask(
        "SELECT c.id FROM customers_customer c WHERE c.merchant_id = %s AND c.status = 'active' "
        f"AND ({text}) ORDER BY c.id DESC LIMIT {EXAMPLES}",
        [merchant.pk, *values],
    )
    people = Customer.objects.filter(merchant=merchant, pk__in=[number for (number,) in some.rows])
    return Preview(int(counted[0]) if counted else 0, list(people.order_by("-pk")))


# --- reading --------------------------------------------------------------------------------------------


def of_customers(*, merchant_id: int, customers: Collection[int]) -> dict[int, frozenset[str]]:
    """Return the ids (codes) of the active segments that these customers are in: one statement."""
    rows = SegmentMember.objects.filter(
        merchant_id=merchant_id, customer_id__in=customers, segment__is_active=True
    ).values_list("customer_id", "segment__code")
    found: dict[int, set[str]] = {}
    for number, code in rows:
        found.setdefault(number, set()).add(code)
    return {number: frozenset(codes) for number, codes in found.items()}


# --- refreshing -----------------------------------------------------------------------------------------


@db.inside_transaction
def follow(*, merchant: Merchant, customers: Sequence[int], at: datetime) -> None:
    """Look at who was touched: a follower of `customers.changes`. Two statements per segment."""
    within = db.any_of("c.id", "bigint", customers)
    members = db.any_of("customer_id", "bigint", customers)
    # One that was never counted is entered by everybody soon; here it would be entered by a few, early.
    for segment in Segment.objects.filter(merchant=merchant, is_active=True, refreshed_at__isnull=False):
        with suppress(BadRule):
            _apply(segment, merchant, within=within, members=members, at=at)


def refresh_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Count the segments that are due in full; return how many were."""
    rows = Segment.objects.filter(Q(is_active=True) | Q(members__gt=0)).select_related("merchant")
    if merchant is not None:
        rows = rows.filter(merchant=merchant)
    return sum(refresh(segment=segment, at=at) is not None for segment in rows if is_due(segment, at))


def is_due(segment: Segment, at: datetime) -> bool:
    """Tell whether a segment is to be counted in full by now."""
    return segment.refreshed_at is None or (segment.is_active and due_at(segment) <= at)


def due_at(segment: Segment) -> datetime:
    """Return when a segment is to be counted in full; one that was edited: since then."""
    if segment.refreshed_at is None:
        return segment.changed_at
    return segment.refreshed_at + max(EVERY, REST * timedelta(seconds=segment.seconds))


def refresh(*, segment: Segment, at: datetime) -> int | None:
    """
    Count a segment in full; return how many are in it, None when somebody else counts it just now or its
    rule cannot be read any more. Each chunk of customers is a transaction of its own.
    """
    for _ in refreshing(segment=segment, at=at):
        pass
    segment.refresh_from_db()
    return segment.members if segment.refreshed_at == at else None


def refreshing(*, segment: Segment, at: datetime) -> Iterator[int]:
    """Count a segment in full; yield how many customers were looked at, chunk by chunk."""
    if not _lease(segment, at):
        return
    started, changed_at, rule = time.monotonic(), segment.changed_at, segment.rule
    last = 0
    try:
        for upto in _bounds(segment.merchant_id):
            _refresh_some(segment=segment, after=last, upto=upto, at=at)
            yield CHUNK
            last = upto
    except BadRule:
        Segment.objects.filter(pk=segment.pk).update(leased_until=None, is_active=False)
        return
    count = SegmentMember.objects.filter(merchant=segment.merchant_id, segment=segment).count()
    own = Segment.objects.filter(pk=segment.pk)
    own.update(leased_until=None, members=count)
    # A rule that was edited meanwhile stays due.
    own.filter(changed_at=changed_at, rule=rule).update(
        refreshed_at=at, seconds=round(time.monotonic() - started, 3)
    )


def _lease(segment: Segment, at: datetime) -> bool:
    free = Segment.objects.filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at), pk=segment.pk)
    if not free.update(leased_until=at + LEASE):
        return False
    segment.refresh_from_db()
    return True


def _bounds(merchant_id: int) -> Iterator[int]:
    """Yield the last id of each chunk of a merchant's customers; the last chunk has no end."""
    last = 0
    while True:
        bound = db.ask(
            "SELECT c.id FROM customers_customer c WHERE c.merchant_id = %s AND c.id > %s ORDER BY c.id "
            f"LIMIT 1 OFFSET {CHUNK - 1}",
            [merchant_id, last],
        ).one
        if bound is None:
            yield (1 << 63) - 1
            return
        last = int(bound[0])
        yield last


@db.command
def _refresh_some(*, segment: Segment, after: int, upto: int, at: datetime) -> None:
    limits = [after, upto]
    _apply(
        segment,
        segment.merchant,
        within=("c.id > %s AND c.id <= %s", limits),
        members=("customer_id > %s AND customer_id <= %s", limits),
        at=at,
    )


def _apply(segment: Segment, merchant: Merchant, *, within: Where, members: Where, at: datetime) -> None:
    """Enter who fits and remove who does not, of some customers, and note both."""
    fits, values = (
        segment_rules.where(segment.rule, Moment(merchant, at)) if segment.is_active else ("1 = 0", [])
    )
    own = [merchant.pk, segment.pk]
    moment = "CAST(%s AS timestamp with time zone)" if db.is_postgres() else "%s"
    entered = db.ask(
        f"""
        INSERT INTO customers_segmentmember (merchant_id, segment_id, customer_id, entered_at)
        SELECT c.merchant_id, s.id, c.id, {moment} FROM customers_segment s
        JOIN customers_customer c ON c.merchant_id = s.merchant_id
        WHERE s.merchant_id = %s AND s.id = %s AND {within[0]} AND c.status = 'active' AND NOT EXISTS (
            SELECT 1 FROM customers_segmentmember m WHERE m.merchant_id = c.merchant_id
            AND m.segment_id = s.id AND m.customer_id = c.id {ALONE}) AND ({fits})
        ON CONFLICT DO NOTHING RETURNING customer_id
        """,
        [at, *own, *within[1], *values],
    )
    left = db.ask(
        f"""
        DELETE FROM customers_segmentmember WHERE merchant_id = %s AND segment_id = %s AND {members[0]}
        AND NOT EXISTS (SELECT 1 FROM customers_customer c WHERE c.merchant_id = customers_segmentmember.merchant_id
            AND c.id = customers_segmentmember.customer_id AND c.status = 'active' AND ({fits}) {ALONE})
        RETURNING customer_id
        """,
        [*own, *members[1], *values],
    )
    _note(segment, "segment.entered", [number for (number,) in entered.rows], at)
    _note(segment, "segment.left", [number for (number,) in left.rows], at)


def _note(segment: Segment, kind: str, customers: Sequence[int], at: datetime) -> None:
    data = {"segment": segment.code, "id": public_ids.show("seg", segment.pk)}
    journey.note_all(
        [
            journey.row(
                merchant_id=segment.merchant_id, customer_id=number, kind=kind, at=at, now=at, data=data
            )
            for number in customers
        ]
    )
