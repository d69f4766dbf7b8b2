"""One parcel on its way: signed, sent over one line, each attempt judged. No database here."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from connectors.models import WebhookEndpoint
from lib import outward
from lib.outward import Forbidden, Line, Unreachable

# The pauses after each failed attempt: 72.6 hours in all, up to a tenth more by chance, so that what failed
# together does not come back together.
PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 21)),
]
LONGEST_PAUSE = timedelta(hours=24)
GONE = 410
BUSY = (429, 503)
MOST_FAILURES = 3  # in one parcel: the rest would most likely fail too
MOST_SECONDS = 60.0  # well below the lease
AGENT = "loyalty-webhooks/1"


@dataclass(frozen=True, slots=True)
class Item:
    """A delivery to be tried; `next_at` is when it was due, for one that is let go untried."""

    id: int
    event: str
    body: str
    attempts: int
    next_at: datetime
    log: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Deliveries of one endpoint with the secrets that sign them."""

    endpoint: WebhookEndpoint
    items: Sequence[Item]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. `status` is None when nobody answered; `note` says why not."""

    status: int | None
    ms: int = 0
    note: str = ""
    excerpt: str = ""
    retry_after: timedelta | None = None

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def carry(parcel: Parcel, clock: Callable[[], datetime]) -> list[Outcome]:
    """
    Send the items in order, until the endpoint shows that it cannot: an outcome for each one that was tried.

    The address is resolved and judged here, once per parcel, and the line leads to what was judged.
    """
    try:
        place = outward.judge(parcel.endpoint.url)
    except (Forbidden, Unreachable) as refusal:
        return [Outcome(None, note=str(refusal))]
    found: list[Outcome] = []
    ends = time.monotonic() + MOST_SECONDS
    with Line(place) as line:
        for item in parcel.items:
            found.append(_send(line, item, parcel.secrets, clock=clock))
            failures = sum(1 for one in found if not one.is_delivered)
            is_hopeless = found[-1].status in (None, GONE, *BUSY) or failures >= MOST_FAILURES
            if is_hopeless or time.monotonic() > ends:
                break
    return found


def _send(line: Line, item: Item, secrets: Sequence[str], *, clock: Callable[[], datetime]) -> Outcome:
    at, began = clock(), time.monotonic()
    try:
        reply = line.post(item.body.encode(), headers(item.event, item.body, secrets, at=at))
    except Unreachable as error:
        return Outcome(None, _ms(began), note=str(error))
    note = "a redirect is not followed" if 300 <= reply.status < 400 else ""
    return Outcome(reply.status, _ms(began), note, reply.excerpt, _patience(reply.retry_after, at=at))


def headers(event: str, body: str, secrets: Sequence[str], *, at: datetime) -> dict[str, str]:
    """Return the headers of the Standard Webhooks scheme: one signature for each secret that is good."""
    signatures = [Webhook(secret).sign(msg_id=event, timestamp=at, data=body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": event,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _patience(said: str, *, at: datetime) -> timedelta | None:
    """Return what a Retry-After asks for, in seconds or as a date; None where it asks for nothing."""
    if said.isascii() and said.isdigit() and len(said) < 9:
        return timedelta(seconds=int(said))
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    return until - at if until.tzinfo else None


def pause(attempts: int, outcome: Outcome) -> timedelta | None:
    """Return how long to wait after this many failed attempts; None when it is given up."""
    if attempts > len(PAUSES) or outcome.status == GONE:
        return None
    usual = PAUSES[attempts - 1] * (1 + random.random() / 10)
    return max(usual, min(outcome.retry_after or usual, LONGEST_PAUSE))
