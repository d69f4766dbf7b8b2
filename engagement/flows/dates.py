"""
Triggers that are dates: birthdays, points that expire soon, a day of each month.

Once per local day and flow, customers in the order of their ids, a chunk in each transaction. How far it
is stands in the flow's row: a killed scan goes on where it was, and two at once leave each other alone.
The instance key makes each date once for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from customers.models import Customer
from engagement.flows import runs, starts
from engagement.flows.starts import Offer, Start
from engagement.models import Flow, FlowVersion, Holdout
from lib import db
from lib.wake import wake
from loyalty import bonuses, calendar, ledger
from merchants.models import Merchant

CHUNK = 1000
# A scan that did not run makes up for the days it missed, no further back.
MOST_DAYS = 7
# Time zones are at most so far ahead of UTC.
AHEAD = timedelta(hours=14)

Found = list[tuple[int, str, dict[str, Any]]]


def scan_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Start the runs of today's dates at every merchant, by its own clock; return how many started."""
    flows = Flow.objects.filter(is_on=True, scanned_on__lt=(at + AHEAD).date())
    if merchant is not None:
        flows = flows.filter(merchant=merchant)
    started = 0
    for flow_id in list(flows.order_by("scanned_on", "pk").values_list("pk", flat=True)):
        has_more = True
        while has_more:
            count, has_more = _scan_some(flow_id=flow_id, at=at)
            started += count
    return started


@dataclass(frozen=True, slots=True)
class Look:
    """One chunk of a scan: customers with ids above `after`, for the local `day`."""

    merchant: Merchant
    offer: Offer
    day: date
    after: int
    at: datetime


@db.command
def _scan_some(*, flow_id: int, at: datetime) -> tuple[int, bool]:
    """Look at one chunk; return how many runs started, and whether there is more to look at."""
    locked = Flow.objects.select_for_update(of=("self",), skip_locked=True).select_related("merchant")
    flow = locked.filter(pk=flow_id, is_on=True).first()
    if flow is None or flow.scanned_on is None:
        return 0, False
    today = at.astimezone(flow.merchant.zone).date()
    day = max(flow.scanned_on + timedelta(days=1), today - timedelta(days=MOST_DAYS))
    if day > today:
        return 0, False
    look = Look(flow.merchant, _offer(flow), day, flow.scanned_to, at)
    found, seen = FINDERS[look.offer.plan.document.trigger.kind](look)
    began = [Start(look.offer, number, key, data, at) for number, key, data in found]
    earlier, over = starts.before(began), starts.over(began)
    new = [
        starts.begin(start, at=at)
        for start in began
        if start.about not in over and earlier.allows(start, at=at)
    ]
    runs.write(new)
    is_day_done = len(seen) < CHUNK
    Flow.objects.filter(pk=flow.pk).update(
        scanned_on=day if is_day_done else flow.scanned_on, scanned_to=0 if is_day_done else seen[-1]
    )
    if new:
        wake("engagement.tasks.step")
    return len(new), not is_day_done or day < today


def _offer(flow: Flow) -> Offer:
    version_id = FlowVersion.objects.values_list("pk", flat=True).get(flow=flow, number=flow.version)
    percent = Holdout.objects.filter(merchant=flow.merchant_id).values_list("percent", flat=True).first()
    return Offer(flow.pk, flow.merchant_id, flow.slug, version_id, runs.plan_of(version_id), percent or 0)


def _active(look: Look, **wanted: Any) -> list[int]:
    rows = Customer.objects.filter(
        merchant=look.merchant, status=Customer.Status.ACTIVE, pk__gt=look.after, **wanted
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK])


def _birthdays(look: Look) -> tuple[Found, list[int]]:
    trigger = look.offer.plan.document.trigger.birthday
    assert trigger is not None
    day = look.day + timedelta(days=trigger.days_before)
    seen = _active(look, birthday__in=bonuses.birthdays_on(day))
    return [(number, f"birthday:{day.year}", {"birthday": day.isoformat()}) for number in seen], seen


def _months(look: Look) -> tuple[Found, list[int]]:
    trigger = look.offer.plan.document.trigger.monthly
    assert trigger is not None
    last = calendar.end_of_period(look.day, 1).day
    if look.day.day != min(trigger.day, last):
        return [], []
    seen = _active(look)
    return [(number, f"{look.day:%Y-%m}", {"month": f"{look.day:%Y-%m}"}) for number in seen], seen


def _expiring(look: Look) -> tuple[Found, list[int]]:
    """
    Find whose points expire within the days, once for all that expire by then.

    The key is the last day that was looked at: what expires by then was told of. Who was told within the
    last quarter of the time waits, so that daily purchases do not make daily messages.
    """
    trigger = look.offer.plan.document.trigger.points_expire
    assert trigger is not None
    last = look.day + timedelta(days=trigger.days)
    until = calendar.midnight(last + timedelta(days=1), look.merchant.zone)
    lots = ledger.expiring_within(
        merchant_id=look.merchant.pk, since=look.at, until=until, after=look.after, limit=CHUNK
    )
    seen = sorted({number for number, _, _ in lots})
    told = _told(look.offer.flow_id, seen)
    pause = f"{last - timedelta(days=trigger.days // 4):%Y-%m-%d}"
    points: dict[int, int] = {}
    first: dict[int, datetime] = {}
    for number, ends, count in lots:
        day = (ends - timedelta(microseconds=1)).astimezone(look.merchant.zone).date().isoformat()
        if day > told.get(number, "") and told.get(number, "") < pause:
            points[number] = points.get(number, 0) + count
            first[number] = min(ends, first.get(number, ends))
    found = [
        (
            number,
            last.isoformat(),
            {
                "points": count,
                "days": trigger.days,
                # The last moment they count, so that the day that is shown is their last.
                "expires_at": (first[number] - timedelta(seconds=1)).isoformat(),
            },
        )
        for number, count in points.items()
    ]
    return found, seen


def _told(flow_id: int, customers: Sequence[int]) -> Mapping[int, str]:
    """Return up to which day each customer was told by this flow already."""
    source, params = db.given({"id": "bigint"}, [(number,) for number in customers])
    rows = db.ask(
        f"SELECT r.customer_id, MAX(r.key) FROM {source} JOIN engagement_flowrun r "
        "ON r.customer_id = given.id AND r.flow_id = %s GROUP BY r.customer_id",
        [*params, flow_id],
    ).rows
    return dict(rows)


FINDERS: Mapping[str, Callable[[Look], tuple[Found, list[int]]]] = {
    "birthday": _birthdays,
    "monthly": _months,
    "points_expire": _expiring,
}
