"""
How customers of a campaign are reached: the first of its channels that may be used, or why none.

Beside the channels that send there are two that need neither an e-mail address nor a telephone: `post`, a letter
that is printed and posted or handed over, and `receipt`, a line that the till prints.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from engagement import deciding
from engagement.channels import CHANNELS
from engagement.deciding import Facts, NotSent
from engagement.models import Message
from merchants.models import Merchant

POST, RECEIPT = "post", "receipt"
PAPER: Mapping[str, Any] = {POST: _("Letter"), RECEIPT: _("Line on the receipt")}
# Offered where a campaign would leave somebody out.
OFFERED = ("sms", POST, RECEIPT)
# These end when the day is over, or the night: who meets them is reached.
PASSING = ("frequency_cap",)


@dataclass(frozen=True, slots=True)
class Way:
    """One customer's way: a channel, or why there is none. `offers` would reach who is not reached."""

    customer: Customer
    channel: str
    reason: str
    offers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """How many are reached by which channel, how many are not and why, and whom other channels would reach."""

    people: int
    channels: Mapping[str, int]
    reasons: Mapping[str, int]
    offers: Mapping[str, int]

    @property
    def unreached(self) -> int:
        return sum(self.reasons.values())


def ways() -> dict[str, Any]:
    """Return what a campaign may use: kind and name, in the order in which it is tried."""
    sends = {kind: channel.label for kind, channel in CHANNELS.load().items() if kind != "webhook"}
    return {**{kind: sends[kind] for kind in sends if kind != "inbox"}, **PAPER, "inbox": sends["inbox"]}


def of(
    people: Sequence[Customer],
    *,
    merchant: Merchant,
    channels: Sequence[str],
    purpose: str,
    at: datetime,
    with_offers: bool = False,
) -> list[Way]:
    """Return how each of these active customers is reached: as many statements for one as for a thousand."""
    asked = []
    for one in people:
        one.merchant = merchant
        asked.append(Message(merchant=merchant, customer=one, purpose=purpose, due_at=at))
    facts = deciding.gather(asked, at=at) if asked else Facts()
    found = []
    for message in asked:
        reasons = []
        for kind in channels:
            if not (reason := _why_not(message, kind, facts, at=at)):
                found.append(Way(message.customer, kind, ""))
                break
            reasons.append(reason)
        else:
            others = OFFERED if with_offers else ()
            offers = [kind for kind in others if not _why_not(message, kind, facts, at=at)]
            found.append(Way(message.customer, "", reasons[0], tuple(offers)))
    return found


def _why_not(message: Message, kind: str, facts: Facts, *, at: datetime) -> str:
    if kind in PAPER:
        return _why_not_on_paper(message, kind, facts)
    message.channel = kind
    decision = deciding.decide(message, facts, at=at)
    is_over = isinstance(decision, NotSent) and decision.reason not in PASSING
    return decision.reason if is_over and isinstance(decision, NotSent) else ""


def _why_not_on_paper(message: Message, kind: str, facts: Facts) -> str:
    """A letter needs a name to be written to, and may be refused as any channel. A receipt is in their hands."""
    if kind == RECEIPT:
        return ""
    granted, _source = facts.answers.get((message.customer_id, POST, message.purpose), (None, ""))
    if granted is False:
        return "unsubscribed"
    return "" if message.customer.name.strip() else "no_contact"


def summed(found: Sequence[Way]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how many by channel, by reason and by offer."""
    return (
        Counter(way.channel for way in found if way.channel),
        Counter(way.reason for way in found if way.reason),
        Counter(kind for way in found for kind in way.offers),
    )
