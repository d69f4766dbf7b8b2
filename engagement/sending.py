"""The sender: takes what is due, decides, sends one after another, and writes down what became of each."""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from engagement import claims, deciding, subscriptions, templates
from engagement.channels import CHANNELS
from engagement.channels.base import InDoubt, Letter, Line, NotTaken, Refused
from engagement.claims import Outcome
from engagement.deciding import Facts, Later, Send
from engagement.models import Message
from engagement.surveys import asking
from engagement.surveys.asking import UnknownSurvey
from engagement.templates import InvalidTemplate, Own, Rendered, UnknownTemplate
from lib import secrets
from merchants.models import Merchant

BATCH = 50
MOST_LINES = 8

log = logging.getLogger(__name__)


def send_due(
    *, at: datetime, merchant: Merchant | None = None, limit: int = 1_000, until: float | None = None
) -> int:
    """
    Send at most `limit` messages that are due; return how many were settled (sent, not sent, or put off).

    Call it again until it returns 0. Any number of workers may send at once.

    :param until: where `time.monotonic()` stands when no further message shall be begun
    """
    clock = _Clock(at)
    claims.give_up(at=at, merchant=merchant)
    settled = 0
    with _Lines() as lines:
        while settled < limit and not _is_over(until):
            batch = claims.take(at=clock.now(), merchant=merchant, limit=min(BATCH, limit - settled))
            if not batch:
                break
            settled += _Round(clock, lines, until).work(batch)
    return settled


class _Clock:
    """The time that was passed in, going on: sending a batch takes a while."""

    def __init__(self, at: datetime):
        self._at, self._begun = at, time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._begun)


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


@dataclass(slots=True)
class _Round:
    """One batch on its way. `pending` is the outcome that is written together with the next start."""

    clock: _Clock
    lines: "_Lines"
    until: float | None
    pending: Outcome | None = None
    settled: int = 0
    facts: Facts = field(default_factory=Facts)
    closed: set[tuple[int, str]] = field(default_factory=set)
    texts: dict[int, Own] = field(default_factory=dict)

    def work(self, batch: Sequence[Message]) -> int:
        at = self.clock.now()
        self.facts = deciding.gather(batch, at=at)
        decided = [(message, deciding.decide(message, self.facts, at=at)) for message in batch]
        put_off = [(message, found) for message, found in decided if not isinstance(found, Send)]
        if put_off:
            claims.put_off(put_off, at=at)
            self.settled += len(put_off)
        sends = [(message, found) for message, found in decided if isinstance(found, Send)]
        left: list[Message] = []
        try:
            for message, send in sends:
                if _is_over(self.until) or (message.merchant_id, message.channel) in self.closed:
                    left.append(message)
                else:
                    self._one(message, send)
        finally:
            if self.pending is not None:
                claims.settle(self.pending)
        if left:
            claims.release(left)
        return self.settled

    def _one(self, message: Message, send: Send) -> None:
        at = self.clock.now()
        try:
            rendered = self._render(message, send)
        except (InvalidTemplate, UnknownTemplate, UnknownSurvey) as error:
            claims.fail(message, error=str(error), at=at)
            self.settled += 1
            return
        done, self.pending = self.pending, None
        if claims.step(done=done, message=message, send=send, rendered=rendered, at=at):
            self.pending = self._send(message, send, rendered)
        else:
            self._decide_anew(message)

    def _render(self, message: Message, send: Send) -> Rendered:
        own = self.texts.get(message.merchant_id)
        if own is None:
            own = self.texts[message.merchant_id] = templates.of(message.merchant)
        has_way_out = send.consent and message.purpose != "transactional"
        values = {**message.data, **(subscriptions.links(message) if has_way_out else {})}
        if survey := values.pop(asking.ASKS, ""):
            values |= self._asked(message, send, survey)
        return templates.render(message.template, send.customer, values, channel=message.channel, own=own)

    def _asked(self, message: Message, send: Send, survey: str) -> dict[str, Any]:
        return asking.values(
            code=survey,
            customer=send.customer,
            key=f"message:{message.public_id}",
            channel=message.channel,
            at=self.clock.now(),
        )

    def _decide_anew(self, message: Message) -> None:
        """Something came between the decision and the start: an unsubscription, another worker's message."""
        at = self.clock.now()
        for fresh in claims.load([message.pk]):
            if fresh.status != Message.Status.QUEUED or fresh.claimed_until is None:
                continue
            found = deciding.decide(fresh, deciding.gather([fresh], at=at), at=at)
            if isinstance(found, Send):
                found = Later(at + timedelta(minutes=1), "again")
            claims.put_off([(fresh, found)], at=at)
            self.settled += 1

    def _send(self, message: Message, send: Send, rendered: Rendered) -> Outcome:
        place = (message.merchant_id, message.channel)
        try:
            line = self.lines.to(message, self.facts)
            taken = line.send(_letter(message, send, rendered, at=self.clock.now()))
        except NotTaken as error:
            return self._not_taken(message, send, error)
        except InDoubt as error:
            log.warning("message %s may have been sent: %s", message.public_id, error)
            return self._outcome(message, "unknown", error=str(error))
        except Exception as error:
            # Whatever a provider's library does: nobody knows how far it came, so no machine repeats it.
            log.exception("message %s broke while it was sent", message.public_id)
            return self._outcome(message, "unknown", error=f"{type(error).__name__}: {error}")
        settings = self.facts.channels.get(place)
        if settings is not None and settings.pauses:
            claims.resume(settings)
            settings.pauses = 0
        self.settled += 1
        status = "delivered" if taken.is_delivered else "sent"
        return self._outcome(message, status, provider_id=taken.provider_id)

    def _not_taken(self, message: Message, send: Send, error: NotTaken) -> Outcome:
        text = str(error)
        if error.is_down:
            # The next ones would not be taken either: the channel rests, its messages wait.
            self.closed.add((message.merchant_id, message.channel))
            self.lines.drop(message)
            claims.pause(message, error=text, at=self.clock.now())
            return self._outcome(message, "queued", reason="again", error=text)
        self.settled += 1
        if isinstance(error, Refused) and error.is_contact_bad:
            subscriptions.suppress_bounced(message, send.contact, send.contact_hash, at=self.clock.now())
        if error.is_permanent or message.attempts >= claims.MOST_TRIES:
            return self._outcome(message, "failed", error=text)
        later = self.clock.now() + timedelta(seconds=claims.pause_seconds(message.attempts))
        return self._outcome(message, "queued", reason="again", error=text, due_at=later)

    def _outcome(
        self,
        message: Message,
        status: str,
        *,
        reason: str = "",
        error: str = "",
        provider_id: str = "",
        due_at: datetime | None = None,
    ) -> Outcome:
        return Outcome(
            message, message.attempts, status, self.clock.now(), reason, error, provider_id, due_at
        )


class _Lines:
    """The lines that are open, to few providers at a time: the one that was not used the longest is closed."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[int, str], tuple[AbstractContextManager[Line], Line]] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._close_oldest()

    def to(self, message: Message, facts: Facts) -> Line:
        place = (message.merchant_id, message.channel)
        if place not in self._open:
            while len(self._open) >= MOST_LINES:
                self._close_oldest()
            channel = CHANNELS[message.channel]
            settings = facts.channels.get(place)
            manager = channel.open(
                merchant=message.merchant,
                options=channel.Options.model_validate(settings.options if settings is not None else {}),
                secret=secrets.open(settings.secret_sealed)
                if settings is not None and settings.secret_sealed
                else "",
            )
            self._open[place] = (manager, manager.__enter__())
        self._open.move_to_end(place)
        return self._open[place][1]

    def drop(self, message: Message) -> None:
        found = self._open.pop((message.merchant_id, message.channel), None)
        if found is not None:
            found[0].__exit__(None, None, None)

    def _close_oldest(self) -> None:
        _place, (manager, _line) = self._open.popitem(last=False)
        manager.__exit__(None, None, None)


def _letter(message: Message, send: Send, rendered: Rendered, *, at: datetime) -> Letter:
    is_marketing = message.purpose == "marketing"
    return Letter(
        message_id=message.pk,
        public_id=message.public_id,
        merchant=message.merchant,
        to=send.contact,
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        short=rendered.short,
        is_marketing=is_marketing,
        at=at,
        unsubscribe_url=subscriptions.link(message) if send.consent and is_marketing else "",
        extra={"customer_id": send.customer.pk},
    )
