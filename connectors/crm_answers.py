"""Consents as another system tells them: the newest answer by its own time counts, and a no is never undone by age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from customers import consent, journey
from customers.consent import Choice
from customers.models import Consent
from lib import db
from merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, with the time it was given. Without one it is as old as the contact's last change."""

    channel: str
    purpose: str
    granted: bool
    at: datetime | None = None
    wording: str = ""


class Told(Protocol):
    """The result of the contact: it hears what was changed, and what was kept."""

    status: str
    kept: list[str]


@db.inside_transaction
def answer_all(
    merchant: Merchant,
    source: str,
    told: Sequence[tuple[Told, int, Sequence[Answer], datetime | None]],
    *,
    at: datetime,
) -> list[journey.Row]:
    """Write the answers of these (result, customer, answers, time of the contact) that are news; return notes."""
    asked = {customer for _, customer, answers, _ in told if answers}
    if not asked:
        return []
    newest: dict[tuple[int, str, str], tuple[datetime, bool, str]] = {}
    known = Consent.objects.filter(merchant=merchant, customer__in=asked).order_by("at", "pk")
    for one in known.defer("source"):
        newest[one.customer_id, one.channel, one.purpose] = (one.at, one.granted, one.wording)
    rows, notes = [], []
    for result, customer, answers, changed_at in told:
        for answer in answers:
            key = (customer, answer.channel, answer.purpose)
            moment, before = answer.at or changed_at, newest.get(key)
            if not _is_news(answer, moment, before):
                if before is not None and before[1] != answer.granted:
                    result.kept.append(f"consent:{answer.channel}/{answer.purpose}")
                continue
            moment = moment or at
            newest[key] = (moment, answer.granted, answer.wording)
            choice = Choice(answer.channel, answer.purpose, answer.granted, source, answer.wording)
            rows.append(consent.row(choice, merchant_id=merchant.pk, customer_id=customer, at=moment))
            notes.append(_note(merchant, customer, choice, at=moment, now=at))
            if result.status == "unchanged":
                result.status = "changed"
    db.insert(Consent, rows)
    return notes


def _is_news(one: Answer, moment: datetime | None, before: tuple[datetime, bool, str] | None) -> bool:
    if before is None:
        return True
    at, granted, wording = before
    if granted == one.granted and (wording == one.wording or not granted or not one.wording):
        return False
    if moment is None:
        # A no of unknown age is taken, for safety; a yes of unknown age may be older than the no.
        return not one.granted
    return moment > at


def _note(merchant: Merchant, customer: int, choice: Choice, *, at: datetime, now: datetime) -> journey.Row:
    return journey.row(
        merchant_id=merchant.pk,
        customer_id=customer,
        kind="consent.given" if choice.granted else "consent.withdrawn",
        at=at,
        now=now,
        data={"channel": choice.channel, "purpose": choice.purpose, "source": choice.source},
    )
