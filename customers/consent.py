"""Yes or no to a purpose on a channel. Each answer is a fact that stays; the newest one counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from customers import journey
from customers.models import Consent, Customer
from lib import db, public_ids
from lib.errors import Fault, Malformed


class InvalidConsent(Malformed):
    code = "invalid_consent"


@dataclass(frozen=True, slots=True)
class Choice:
    """
    One answer: `granted` on one channel (email, sms, push, post) for one purpose (marketing, profiling).

    `wording` is the sentence the person answered, `source` where: both are the proof, so send them.
    """

    channel: str
    purpose: str
    granted: bool
    source: str = ""
    wording: str = ""


@db.command
def choose(*, customer: Customer, choices: Sequence[Choice], at: datetime) -> None:
    """
    Record several answers at once. An answer that says what is already in force changes nothing.

    :raises InvalidConsent: a channel or purpose is empty or too long
    """
    for choice in choices:
        record(
            customer=customer,
            channel=choice.channel,
            purpose=choice.purpose,
            granted=choice.granted,
            at=at,
            source=choice.source,
            wording=choice.wording,
        )


@db.inside_transaction
def record(
    *,
    customer: Customer,
    channel: str,
    purpose: str,
    granted: bool,
    at: datetime,
    source: str = "",
    wording: str = "",
) -> None:
    """
    Record one answer. The same answer to the same words changes nothing.

    :raises InvalidConsent: the channel or purpose is empty or too long
    """
    choice = Choice(channel, purpose, granted, source, wording)
    check([choice])
    newest = (
        Consent.objects.filter(
            merchant=customer.merchant_id, customer=customer, channel=channel, purpose=purpose
        )
        .order_by("-at", "-pk")
        .first()
    )
    if newest and newest.granted == granted and (newest.wording == wording or not granted):
        return
    db.insert(Consent, [row(choice, merchant_id=customer.merchant_id, customer_id=customer.pk, at=at)])
    journey.note(
        customer=customer,
        kind="consent.given" if granted else "consent.withdrawn",
        at=at,
        data={"channel": channel, "purpose": purpose, "source": source},
    )


def row(choice: Choice, *, merchant_id: int, customer_id: int, at: datetime) -> journey.Row:
    """Return the row of one answer, for writing many at once."""
    return {
        "id": public_ids.new(),
        "merchant_id": merchant_id,
        "customer_id": customer_id,
        "channel": choice.channel,
        "purpose": choice.purpose,
        "granted": choice.granted,
        "source": choice.source,
        "wording": choice.wording,
        "at": at,
    }


def check(choices: Sequence[Choice]) -> None:
    """
    Refuse answers that cannot be kept.

    :raises InvalidConsent: a part is empty, too long or holds a NUL byte
    """
    for place, choice in enumerate(choices):
        for name, text, longest in (
            ("channel", choice.channel, 20),
            ("purpose", choice.purpose, 40),
            ("source", choice.source, 60),
            ("wording", choice.wording, 10_000),
        ):
            is_missing = name in ("channel", "purpose") and not text
            if is_missing or len(text) > longest or "\x00" in text:
                detail = f"the {name} is empty, longer than {longest} letters or holds a NUL byte"
                raise InvalidConsent(
                    f"The consent cannot be kept: {detail}.",
                    faults=[Fault(f"/consents/{place}/{name}", "invalid_consent", detail)],
                )


def current(*, customer: Customer) -> list[Consent]:
    """Return the answers in force: the newest per channel and purpose. One statement."""
    newest: dict[tuple[str, str], Consent] = {}
    for answer in Consent.objects.filter(merchant=customer.merchant_id, customer=customer).order_by(
        "at", "pk"
    ):
        newest[answer.channel, answer.purpose] = answer
    return [newest[key] for key in sorted(newest)]
