"""
Who is told of a campaign: written in the order of customers' ids, a chunk a transaction.

The campaign's row is the lock and the bookmark in one: whoever holds it writes the next chunk of recipients, queues
their messages and moves the cursor in the same commit. A worker that dies leaves the cursor where it was; two
workers never write the same campaign at once, and each takes another one meanwhile.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max

from customers import segments
from customers.models import Customer, SegmentMember
from engagement import campaigns, experiments, messages, reach
from engagement.campaigns import HOLDOUT
from engagement.models import Assignment, Campaign, Experiment, Holdout, Message
from engagement.reach import Preview, Way
from lib import db, public_ids
from merchants.models import Merchant

State = Campaign.State
CHUNK = 500
# So many messages of one campaign wait at most: what a flow says now is sent after them, not after all of it.
WAVE = 2_000
LOOKED_AT = 2_000


def write_due(*, at: datetime, merchant: Merchant | None = None, wave: int = WAVE) -> int:
    """
    Begin what is scheduled for now and write one chunk of each campaign in turn; return how many customers.

    Call it again until it returns 0: then all are written, or wait for the sender.
    """
    begin_due(at=at, merchant=merchant)
    db.command(campaigns.withdraw_late)(at=at)
    running = _of(Campaign.objects.filter(state=State.RUNNING), merchant)
    numbers = running.order_by(F("worked_at").asc(nulls_first=True), "pk").values_list("pk", flat=True)
    return sum(_write_some(number=number, at=at, wave=wave) for number in list(numbers))


def begin_due(*, at: datetime, merchant: Merchant | None = None) -> None:
    """Begin what is scheduled for now. A segment that was never counted is counted first."""
    due = _of(Campaign.objects.filter(state=State.SCHEDULED, starts_at__lte=at), merchant)
    for campaign in due.select_related("segment__merchant"):
        segment = campaign.segment
        if segment is not None and segment.refreshed_at is None:
            segments.refresh(segment=segment, at=at)
        _begin(number=campaign.pk, at=at)


def _of(rows: Any, merchant: Merchant | None) -> Any:
    return rows if merchant is None else rows.filter(merchant=merchant)


@db.command
def _begin(*, number: int, at: datetime) -> None:
    campaign = _taken(number, State.SCHEDULED)
    if campaign is None:
        return
    everybody = Customer.objects.filter(merchant=campaign.merchant_id)
    campaign.upto = everybody.aggregate(last=Max("pk"))["last"] or 0
    campaign.total = _count(campaign)
    campaign.state, campaign.started_at = State.RUNNING, at
    campaign.save(update_fields=["upto", "total", "state", "started_at"])


def _count(campaign: Campaign) -> int:
    if campaign.segment_id is not None:
        return SegmentMember.objects.filter(
            merchant=campaign.merchant_id, segment=campaign.segment_id
        ).count()
    return Customer.objects.filter(merchant=campaign.merchant_id, status=Customer.Status.ACTIVE).count()


def _taken(number: int, state: str) -> Campaign | None:
    """Lock a campaign that is in this state, unless somebody else has it."""
    rows = Campaign.objects.select_for_update(of=("self",), skip_locked=True)
    return rows.select_related("merchant", "experiment").filter(pk=number, state=state).first()


@db.command
def _write_some(*, number: int, at: datetime, wave: int) -> int:
    """Write one chunk of a campaign's recipients; end it when all of it is said."""
    campaign = _taken(number, State.RUNNING)
    if campaign is None:
        return 0
    open_ones = Message.objects.filter(campaign_id=campaign.pk, status__in=("queued", "sending"))
    waiting = open_ones.order_by()[: wave + 1].count()
    if campaign.cursor >= campaign.upto:
        if not waiting:
            campaign.state, campaign.ended_at = State.DONE, at
            campaign.save(update_fields=["state", "ended_at"])
        return 0
    limit = min(CHUNK, wave - waiting)
    if limit <= 0:
        return 0
    people = _next(campaign, after=campaign.cursor, upto=campaign.upto, limit=limit)
    campaign.cursor = people[-1].pk if len(people) == limit else campaign.upto
    campaign.seen += len(people)
    counted = Counter(campaign.counts)
    counted.update(_write(campaign, people, at=at))
    campaign.counts, campaign.worked_at = dict(counted), at
    campaign.save(update_fields=["cursor", "seen", "counts", "worked_at"])
    return len(people)


def _next(campaign: Campaign, *, after: int, upto: int, limit: int) -> list[Customer]:
    """Return the next active customers by id. Somebody whose alias was told already is one of them (`_write`)."""
    inside = "JOIN customers_segmentmember s ON s.merchant_id = c.merchant_id AND s.customer_id = c.id"
    is_within = "AND s.segment_id = %s" if campaign.segment_id is not None else ""
    rows = db.ask(
        f"SELECT c.id FROM customers_customer c {inside if is_within else ''} WHERE c.merchant_id = %s {is_within} "
        f"AND c.status = 'active' AND c.id > %s AND c.id <= %s ORDER BY c.id LIMIT {int(limit)}",
        [campaign.merchant_id, *([campaign.segment_id] if is_within else []), after, upto],
    ).rows
    ids = [number for (number,) in rows]
    return list(Customer.objects.filter(pk__in=ids).only(*_KNOWN).order_by("pk"))


_KNOWN = ("id", "merchant", "status", "name", "timezone", "merged_into")


def _write(campaign: Campaign, people: Sequence[Customer], *, at: datetime) -> Counter[str]:
    """Write down who is in which arm and how they are reached, and queue what is sent. Return how many of each."""
    told = _told_before(campaign, people)
    people = [one for one in people if one.pk not in told]
    placed = place(campaign, people)
    reached = [one for one in people if placed[one.pk] != HOLDOUT]
    found = reach.of(
        reached, merchant=campaign.merchant, channels=campaign.channels, purpose=campaign.purpose, at=at
    )
    ways = {way.customer.pk: way for way in found}
    db.insert(
        Assignment,
        [
            assigned(
                campaign.experiment,
                campaign.merchant,
                one.pk,
                arm=placed[one.pk],
                way=ways.get(one.pk),
                at=at,
            )
            for one in people
        ],
    )
    messages.queue_all([_draft(campaign, way, placed, at) for way in found if _is_sent(way)], at=at)
    counted = Counter(way.channel or way.reason for way in found)
    counted[HOLDOUT] += len(people) - len(reached)
    return counted


def _told_before(campaign: Campaign, people: Sequence[Customer]) -> set[int]:
    """Return whom a merge has made out of somebody who is written already: one person is told once."""
    # Aliases first, of whom there are few: joined, without statistics, each chunk read all that is written.
    aliases = dict(
        Customer.objects.filter(
            merchant=campaign.merchant_id, merged_into__in=[one.pk for one in people]
        ).values_list("pk", "merged_into")
    )
    if not aliases:
        return set()
    rows = Assignment.objects.filter(experiment=campaign.experiment_id, customer__in=aliases)
    return {aliases[number] or 0 for number in rows.values_list("customer_id", flat=True)}


def _is_sent(way: Way) -> bool:
    return bool(way.channel) and way.channel not in reach.PAPER


def _draft(campaign: Campaign, way: Way, placed: dict[int, str], at: datetime) -> messages.Draft:
    arm = placed[way.customer.pk]
    return messages.Draft(
        customer=way.customer,
        key=f"{campaign.public_id}:{public_ids.show('cus', way.customer.pk)}",
        channel=way.channel,
        template=next(one["template"] for one in campaign.arms if one["name"] == arm),
        data={},
        purpose=campaign.purpose,  # type: ignore[arg-type]
        due_at=at,
        campaign_id=campaign.pk,
        arm=arm,
    )


def place(campaign: Campaign, people: Sequence[Customer]) -> dict[int, str]:
    """Return the arm of each: held out of everything, held out of this campaign, or one of its arms."""
    everybody = 0
    if campaign.purpose == Message.Purpose.MARKETING:
        row = Holdout.objects.filter(merchant=campaign.merchant_id).first()
        everybody = row.percent if row is not None else 0
    return {
        one.pk: arm_of(
            campaign.experiment, merchant_id=campaign.merchant_id, customer_id=one.pk, everybody=everybody
        )
        for one in people
    }


def arm_of(experiment: Experiment, *, merchant_id: int, customer_id: int, everybody: int = 0) -> str:
    """Return the arm of a customer: always the same one. `everybody` is the always-on holdout in percent."""
    unit, name = str(customer_id), public_ids.show("exp", experiment.pk)
    if experiments.is_held_out(key=f"{HOLDOUT}:{merchant_id}", unit=unit, share=everybody / 100):
        return HOLDOUT
    if experiments.is_held_out(key=f"{HOLDOUT}:{name}", unit=unit, share=experiment.holdout / 100):
        return HOLDOUT
    whole = sum(arm["weight"] for arm in experiment.arms)
    shares = {arm["name"]: arm["weight"] / whole for arm in experiment.arms}
    return experiments.arm(key=name, unit=unit, shares=shares)


def assigned(
    experiment: Experiment, merchant: Merchant, customer_id: int, *, arm: str, way: Way | None, at: datetime
) -> dict[str, Any]:
    """Return the row that says who is in which arm from now on."""
    return {
        "id": public_ids.new(),
        "merchant_id": merchant.pk,
        "experiment_id": experiment.pk,
        "customer_id": customer_id,
        "arm": arm,
        "channel": way.channel if way else "",
        "reason": way.reason if way else "",
        "assigned_at": at,
        "assigned_on": at.astimezone(merchant.zone).date(),
        "until": at + timedelta(days=experiment.days),
    }


def preview(*, campaign: Campaign, at: datetime) -> Preview:
    """Count how everybody would be reached now, chunk by chunk: nothing is written."""
    channels: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    offers: Counter[str] = Counter()
    people = 0
    for chunk in _chunks(campaign):
        found = reach.of(
            chunk, merchant=campaign.merchant, channels=campaign.channels, purpose=campaign.purpose, at=at,
            with_offers=True,
        )  # fmt: skip
        people += len(chunk)
        for total, part in zip((channels, reasons, offers), reach.summed(found), strict=True):
            total.update(part)
    return Preview(people, channels, reasons, offers)


def _chunks(campaign: Campaign) -> Iterator[list[Customer]]:
    last = 0
    while chunk := _next(campaign, after=last, upto=(1 << 63) - 1, limit=LOOKED_AT):
        yield chunk
        last = chunk[-1].pk
