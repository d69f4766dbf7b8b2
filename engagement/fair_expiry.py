"""
Points whose notices reached nobody do not expire silently: they are kept longer, before they run out.

It begins with the first flow of a merchant that tells of expiring points: whoever has a contact and got
none of its messages about these points keeps them for the program's days. A message counts as
delivered once a provider took it and nothing came back; one in the customer's own inbox once it was read.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from customers.models import Identifier
from engagement.flows import document
from engagement.models import Flow, FlowRun, Message
from loyalty import expiry, ledger, programs
from loyalty.plan import Plan
from merchants.models import Merchant

CHUNK = 1000
# How long before they run out points are looked at: a job that fails one day has another.
AHEAD = timedelta(days=2)
REACHED = (Message.Status.SENT, Message.Status.DELIVERED)
REASON = "notice_not_delivered"

Due = tuple[int, datetime, int]


def extend_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Keep what expires within two days and was told to nobody; return how many points are kept longer."""
    flows: dict[int, list[int]] = {}
    for flow in Flow.objects.filter(is_on=True, **({"merchant": merchant} if merchant else {})):
        if document.read(flow.document).trigger.points_expire is not None:
            flows.setdefault(flow.merchant_id, []).append(flow.pk)
    return sum(
        _extend(one, flows[one.pk], at) for one in Merchant.objects.filter(pk__in=flows, is_active=True)
    )


def _extend(merchant: Merchant, flows: Sequence[int], at: datetime) -> int:
    try:
        plan = programs.current(merchant=merchant)
    except programs.NoProgram:
        return 0
    kept = after = 0
    # Never so far that what was just kept would be found again.
    until = at + min(AHEAD, timedelta(days=plan.extend_days) / 2)
    while plan.extend_days:
        due = ledger.expiring_within(merchant_id=merchant.pk, since=at, until=until, after=after, limit=CHUNK)
        unreached = _unreached(merchant, plan, flows, due)
        if unreached:
            kept += expiry.extend(
                merchant=merchant, due=unreached, days=plan.extend_days, reason=REASON, by="schedule", at=at
            )
        seen = {number for number, _, _ in due}
        if len(seen) < CHUNK:
            break
        after = max(seen)
    return kept


def _unreached(
    merchant: Merchant, plan: Plan, flows: Sequence[int], due: Sequence[Due]
) -> dict[int, set[datetime]]:
    """Return the times at which points expire that somebody with a contact was not told of, by customer."""
    people = {number for number, _, _ in due}
    if not plan.extend_without_contact:
        people = _with_contact(merchant, people)
    told = _told_until(merchant, flows, people)
    found: dict[int, set[datetime]] = {}
    for number, ends, _ in due:
        last_day = plan.local(ends - timedelta(microseconds=1)).date().isoformat()
        if number in people and told.get(number, "") < last_day:
            found.setdefault(number, set()).add(ends)
    return found


def _with_contact(merchant: Merchant, people: Iterable[int]) -> set[int]:
    contacts = Identifier.objects.filter(
        merchant=merchant,
        customer__in=people,
        type__in=(Identifier.Type.EMAIL, Identifier.Type.PHONE),
        verified_at__isnull=False,
    )
    return set(contacts.values_list("customer_id", flat=True))


def _told_until(merchant: Merchant, flows: Sequence[int], people: Iterable[int]) -> dict[int, str]:
    """Return up to which day of expiry each customer was told by a message that arrived: the keys of those runs."""
    rows = FlowRun.objects.filter(merchant=merchant, flow__in=flows, customer__in=people).exclude(key="")
    keys = {number: (customer, key) for number, customer, key in rows.values_list("pk", "customer_id", "key")}
    arrived = Message.objects.filter(
        ~Q(channel="inbox") | Q(read_at__isnull=False),
        merchant=merchant,
        flow_run_id__in=list(keys),
        status__in=REACHED,
    )
    told: dict[int, str] = {}
    for number in arrived.values_list("flow_run_id", flat=True):
        if number is not None:
            customer, key = keys[number]
            told[customer] = max(key, told.get(customer, ""))
    return told
