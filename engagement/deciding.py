"""
May this message be sent now? Decided from facts that are gathered for a whole batch in a few statements.

The order of the questions is the order of what is told: somebody who left is `erased`, whatever else is
true of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from customers.models import Consent, Customer, Identifier
from engagement.channels import CHANNELS
from engagement.channels.base import Channel
from engagement.models import ChannelSettings, Message, SendingLimits, Suppression
from lib import db
from lib.signing import fingerprint

# Later than this it is not worth sending any more.
WORTH = {
    "transactional": timedelta(days=3),
    "service": timedelta(days=3),
    "marketing": timedelta(days=2),
}
HOLDOUT = "holdout"
DAY, WEEK = timedelta(days=1), timedelta(days=7)
COUNTED = ("sending", "sent", "delivered", "bounced", "complained", "unknown")
SILENT = "inbox"
# What needs a second yes from the mailbox, and the places a yes comes from that is one already.
DOUBLE = ("email", "marketing")
OPTION = "double_opt_in"
CONFIRMED = ("portal", "preferences", "confirmation")


@dataclass(frozen=True, slots=True)
class Send:
    """Yes: to this contact, whose hash suppressions and bounces name."""

    customer: Customer
    contact: str
    contact_hash: str
    needs_yes: bool
    refusable: bool
    consent: str
    limits: SendingLimits | None


@dataclass(frozen=True, slots=True)
class NotSent:
    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, but at this time."""

    due_at: datetime
    reason: str


Decision = Send | NotSent | Later


@dataclass(slots=True)
class Facts:
    """What is known about the people, channels and limits of a batch."""

    contacts: Mapping[tuple[int, str], str] = field(default_factory=dict)
    answers: Mapping[tuple[int, str, str], tuple[bool, str]] = field(default_factory=dict)
    suppressed: frozenset[tuple[int, str, str]] = frozenset()
    channels: Mapping[tuple[int, str], ChannelSettings] = field(default_factory=dict)
    limits: Mapping[int, SendingLimits] = field(default_factory=dict)
    said: Mapping[int, tuple[int, int]] = field(default_factory=dict)


def who(message: Message) -> Customer:
    """Return who is written to: somebody merged into another is that other one."""
    return message.customer.merged_into or message.customer


def gather(batch: Sequence[Message], *, at: datetime) -> Facts:
    """Read the facts of a batch: one statement per table, whatever its size."""
    people = sorted({who(message).pk for message in batch})
    merchants = sorted({message.merchant_id for message in batch})
    contacts = {
        (row.customer_id, row.type): row.value
        for row in Identifier.objects.filter(
            customer__in=people, type__in=("email", "phone"), verified_at__isnull=False
        ).order_by("created_at", "pk")
    }
    hashes = {
        contact_hash(message.merchant_id, value)
        for message in batch
        for kind in ("email", "phone")
        if (value := contacts.get((who(message).pk, kind)))
    }
    return Facts(
        contacts=contacts,
        answers={
            (row.customer_id, row.channel, row.purpose): (row.granted, row.source)
            for row in Consent.objects.filter(customer__in=people).order_by("at", "pk")
        },
        suppressed=frozenset(
            Suppression.objects.filter(merchant__in=merchants, contact_hash__in=hashes).values_list(
                "merchant_id", "channel", "contact_hash"
            )
        ),
        channels={
            (row.merchant_id, row.kind): row for row in ChannelSettings.objects.filter(merchant__in=merchants)
        },
        limits={row.merchant_id: row for row in SendingLimits.objects.filter(merchant__in=merchants)},
        said=_said(people, at=at),
    )


def _said(people: Sequence[int], *, at: datetime) -> Mapping[int, tuple[int, int]]:
    where, params = db.any_of("m.customer_id", "bigint", people)
    states = ", ".join(f"'{state}'" for state in COUNTED)
    rows = db.ask(
        "SELECT m.customer_id, count(*) FILTER (WHERE m.started_at > %s), count(*) FROM engagement_message m "
        f"WHERE {where} AND m.started_at > %s AND m.status IN ({states}) "
        f"AND m.purpose <> 'transactional' AND m.channel <> '{SILENT}' GROUP BY m.customer_id",
        [at - DAY, *params, at - WEEK],
    ).rows
    return {customer: (day, week) for customer, day, week in rows}


def contact_hash(merchant_id: int, contact: str) -> str:
    """Return the keyed hash that stands for a contact of a merchant's, for suppressions and bounces."""
    return fingerprint("contact", str(merchant_id), contact)


def decide(message: Message, facts: Facts, *, at: datetime) -> Decision:
    """Say whether a message is sent now, later, or never and why."""
    customer = who(message)
    channel = CHANNELS.get(message.channel) or CHANNELS.load().get(message.channel)
    if (reason := _is_over(message, customer, channel, facts, at=at)) or channel is None:
        return NotSent(reason or "channel_off")
    contact = facts.contacts.get((customer.pk, channel.contact), "") if channel.contact else ""
    if channel.contact and not contact:
        return NotSent("no_contact")
    place = contact_hash(message.merchant_id, contact) if contact else ""
    if (message.merchant_id, channel.kind, place) in facts.suppressed:
        return NotSent("suppressed")
    if reason := _consent(message, customer, channel, facts):
        return NotSent(reason)
    limits = facts.limits.get(message.merchant_id)
    if message.purpose == "transactional" or channel.kind == SILENT:
        limits = None
    if limits is not None:
        if until := quiet_until(limits, zone=zone_of(customer), at=at):
            return Later(until, "quiet_hours")
        day, week = facts.said.get(customer.pk, (0, 0))
        if day >= limits.per_day or week >= limits.per_week:
            return NotSent("frequency_cap")
    return Send(
        customer,
        contact,
        place,
        needs_yes=message.purpose == "marketing" and bool(channel.consent),
        refusable=message.purpose == "service" and bool(channel.consent),
        consent=channel.consent,
        limits=limits,
    )


def _is_over(
    message: Message, customer: Customer, channel: Channel | None, facts: Facts, *, at: datetime
) -> str:
    if customer.status == Customer.Status.ERASED:
        return "erased"
    if message.arm == HOLDOUT:
        return "holdout"
    if message.due_at + WORTH[message.purpose] < at:
        return "expired"
    if customer.status != Customer.Status.ACTIVE:
        return "suppressed"
    settings = facts.channels.get((message.merchant_id, message.channel))
    is_on = settings.is_active if settings is not None else channel is not None and channel.is_ready_alone
    return "" if is_on else "channel_off"


def _consent(message: Message, customer: Customer, channel: Channel, facts: Facts) -> str:
    """Return why not: marketing needs a yes, service may be refused, transactional needs nothing."""
    if not channel.consent or message.purpose == "transactional":
        return ""
    granted, source = facts.answers.get((customer.pk, channel.consent, message.purpose), (None, ""))
    if granted is False:
        return "unsubscribed"
    if message.purpose != "marketing":
        return ""
    if granted is None:
        return "no_consent"
    is_open = _needs_second(message, channel, facts) and source not in CONFIRMED
    return "unconfirmed" if is_open else ""


def _needs_second(message: Message, channel: Channel, facts: Facts) -> bool:
    if (channel.consent, message.purpose) != DOUBLE:
        return False
    row = facts.channels.get((message.merchant_id, channel.kind))
    return row is None or row.options.get(OPTION, True) is not False


def wants_confirmation(*, merchant_id: int) -> bool:
    """Tell whether a merchant's e-mail marketing waits for a second yes: unless it was switched off."""
    row = ChannelSettings.objects.filter(merchant=merchant_id, kind=DOUBLE[0]).first()
    return row is None or row.options.get(OPTION, True) is not False


def zone_of(customer: Customer) -> ZoneInfo:
    """Return the time zone a customer lives in: the merchant's, as long as nothing else is known."""
    return ZoneInfo(customer.timezone) if customer.timezone else customer.merchant.zone


def quiet_until(limits: SendingLimits, *, zone: ZoneInfo, at: datetime) -> datetime | None:
    """
    Return when the quiet hours that `at` lies in are over; None outside of them.

    Counted on the clock on the wall: in the night when it is put forward or back, quiet still ends at the
    hour that was set, also when that hour is left out (then when the clock has jumped over it).
    """
    start, end = limits.quiet_from, limits.quiet_until
    if start is None or end is None or start == end:
        return None
    here = at.astimezone(zone)
    now = here.time()
    is_quiet = start <= now < end if start < end else now >= start or now < end
    if not is_quiet:
        return None
    days = 1 if start > end and now >= start else 0
    return _moment(here.date() + timedelta(days=days), end, zone, after=at)


def _moment(day: Any, clock: time, zone: ZoneInfo, *, after: datetime) -> datetime:
    there = datetime.combine(day, clock, tzinfo=zone)
    # A time that occurs twice is taken the first time, unless that is over already.
    found = there.astimezone(UTC)
    return found if found > after else there.replace(fold=1).astimezone(UTC)
