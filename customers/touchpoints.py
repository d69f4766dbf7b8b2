"""
Touchpoints told from outside: by a till, a shop's server, a survey. What the house itself does is noted by
`customers.journey`; the kinds it uses for that cannot be told here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from customers import journey, merging
from customers.journey import OURS
from customers.models import Customer, Touchpoint
from lib import db
from lib.errors import DomainError, Fault, Gone, Malformed, NotFound, ReferenceReused
from merchants.models import Merchant

_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
LATE, AHEAD = timedelta(days=30), timedelta(minutes=5)
# An identify names a customer and an anonymous id: what the anonymous one did is the customer's from then on.
IDENTIFY = "identify"


class WrongTime(Malformed):
    code = "occurred_at_out_of_range"


class ReservedKind(Malformed):
    code = "reserved_kind"


@dataclass(frozen=True, slots=True)
class Told:
    """One touchpoint as it was told. Say a customer, or an anonymous id, or both to join the two."""

    kind: str
    occurred_at: datetime
    channel: str = ""
    customer_id: int | None = None
    anonymous_id: str = ""
    reference: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Noted:
    """One touchpoint's answer: status created, replayed or rejected, the row, and why it was refused."""

    status: str
    row: Mapping[str, Any] = field(default_factory=dict)
    error: DomainError | None = None

    def or_raise(self) -> "Noted":
        """Return it; raise what refused it."""
        if self.error is not None:
            raise self.error
        return self


def is_kind(text: str) -> bool:
    """Tell whether this can be the kind of a touchpoint: `page.viewed`."""
    return bool(_KIND.fullmatch(text)) and len(text) <= 60


@db.command
def record_all(
    *, merchant: Merchant, told: Sequence[Told], at: datetime, late: timedelta = LATE
) -> list[Noted]:
    """
    Write touchpoints, with one statement for all; answer each, in order. One that has a `reference` is
    written once per kind, and repeating it answers the first. What is older than `late` is refused.
    """
    people = _people(merchant, told)
    known = _known(merchant, told)
    rows: list[journey.Row] = []
    answers: list[Noted] = []
    for one in told:
        try:
            answers.append(_note(merchant, one, people, known, rows, at, late))
        except DomainError as refusal:
            answers.append(Noted("rejected", error=refusal))
    journey.note_all(rows)
    _insist(merchant, rows)
    for one, answer in zip(told, answers, strict=True):
        if one.kind == IDENTIFY and answer.status == "created" and one.anonymous_id:
            _join(merchant, one.anonymous_id, answer.row["customer_id"])
    return answers


def _note(
    merchant: Merchant,
    one: Told,
    people: Mapping[int, tuple[int, str]],
    known: dict[tuple[str, str], Mapping[str, Any]],
    rows: list[journey.Row],
    at: datetime,
    late: timedelta,
) -> Noted:
    if one.kind.startswith(OURS):
        raise ReservedKind(
            "This kind is noted by the service itself.",
            faults=[Fault("/kind", "reserved_kind", f"does not start with {', '.join(OURS)}")],
        )
    if not at - late <= one.occurred_at <= at + AHEAD:
        raise WrongTime(
            f"The touchpoint is more than {late.days} days old or lies in the future; check the clock.",
            faults=[Fault("/occurred_at", "out_of_range", f"{late.days} days back to 5 minutes ahead")],
        )
    customer_id = _whose(one, people)
    first = known.get((one.kind, one.reference)) if one.reference else None
    if first is not None:
        return _repeat(merchant, one, first, customer_id)
    row = journey.row(
        merchant_id=merchant.pk,
        customer_id=customer_id,
        kind=one.kind,
        at=one.occurred_at,
        now=at,
        channel=one.channel,
        reference=one.reference,
        anonymous_id=one.anonymous_id,
        data=dict(one.data),
    )
    rows.append(row)
    if one.reference:
        known[one.kind, one.reference] = row
    return Noted("created", row)


def _whose(one: Told, people: Mapping[int, tuple[int, str]]) -> int | None:
    if one.customer_id is None:
        return None
    found = people.get(one.customer_id)
    if found is None:
        raise NotFound(
            "There is no such customer.", faults=[Fault("/customer", "not_found", "There is no such object")]
        )
    if found[1] == Customer.Status.ERASED:
        raise Gone("This customer has been erased.", faults=[Fault("/customer", "gone", "erased")])
    return found[0]


def _repeat(merchant: Merchant, one: Told, first: Mapping[str, Any], customer_id: int | None) -> Noted:
    said = {"channel": one.channel, "anonymous_id": one.anonymous_id, "data": dict(one.data)}
    differ = [name for name, value in said.items() if value and first[name] != value]
    if customer_id is not None and not merging.is_now(
        merchant_id=merchant.pk, earlier=first["customer_id"], now=customer_id
    ):
        differ.append("customer")
    if differ:
        raise ReferenceReused(one.reference, of="another touchpoint", differ=differ)
    return Noted("replayed", first)


def _people(merchant: Merchant, told: Sequence[Told]) -> dict[int, tuple[int, str]]:
    """Return (id of whom it is now, status) by the id that was said: a merged customer is its target."""
    ids = {one.customer_id for one in told if one.customer_id is not None}
    found = (
        Customer.objects.filter(merchant=merchant, pk__in=ids).values_list("pk", "merged_into_id", "status")
        if ids
        else ()
    )
    return {number: (target or number, status) for number, target, status in found}


def _known(merchant: Merchant, told: Sequence[Told]) -> dict[tuple[str, str], Mapping[str, Any]]:
    references = {one.reference for one in told if one.reference}
    if not references:
        return {}
    kinds = {one.kind for one in told if one.reference}
    found = Touchpoint.objects.filter(merchant=merchant, kind__in=kinds, reference__in=references)
    return {(one.kind, one.reference): vars(one) for one in found}


@db.inside_transaction
def _insist(merchant: Merchant, rows: Sequence[journey.Row]) -> None:
    # The race: somebody tells the same reference between our look and our write, and ours is skipped.
    ids = [row["id"] for row in rows if row["reference"]]
    if ids and Touchpoint.objects.filter(merchant=merchant, pk__in=ids).count() != len(ids):
        raise db.Again


@db.inside_transaction
def _join(merchant: Merchant, anonymous_id: str, customer_id: int | None) -> None:
    if customer_id is not None:
        Touchpoint.objects.filter(merchant=merchant, anonymous_id=anonymous_id, customer=None).update(
            customer_id=customer_id
        )
