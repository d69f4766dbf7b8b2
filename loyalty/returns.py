"""
Points that paid for a purchase, given back with its refund.

A tender of kind `points` names its hold, or its redemption. Pro rata of the merchandise, cumulative like
all refunds, its points go back to the lots they came from; a lot that would expire too soon gets a sister
with the days the program promises. What tenders name that is not a hold belongs to a room above: it is
named in TENDERS (config/settings.py) as an object with the verbs of `Tenders`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from lib import db, public_ids
from loyalty import ledger, lookup, refunding
from loyalty.desk import Desk, Row
from loyalty.ledger import AccountState, Cause, HoldState
from loyalty.lookup import Person


@dataclass(frozen=True, slots=True)
class Spent:
    """
    Points that a tender paid with: the account they go back to, the entry that took them, how many of them
    came back so far, and the verb that keeps that number.
    """

    account: AccountState
    entry_id: int
    points: int
    returned: int
    keep: Callable[[int], None]


class Tenders(Protocol):
    """What tenders of sales name that loyalty does not know. All verbs run with the accounts locked."""

    def payers(self, work: Desk, tenders: Sequence[Row]) -> list[int]:
        """Return the customers whose points these tenders name: their accounts are locked too."""
        ...

    def spent(self, work: Desk, tenders: Sequence[Row]) -> Iterable[Spent]:
        """Return the points that these tenders paid with, and lock what counts them."""
        ...

    def give_back(self, work: Desk, purchase: Row, *, reference: str) -> None:
        """Give back what only comes back as a whole: all merchandise of the purchase was returned."""
        ...

    def take_again(self, work: Desk, purchase: Row, *, reference: str) -> None:
        """Take again what the refund of this reference had given back as a whole; it was undone."""
        ...


@cache
def _rooms() -> list[Tenders]:
    return [import_string(path) for path in settings.TENDERS]


def _named(tenders: Sequence[Row]) -> list[int]:
    """Return the holds that tenders name."""
    named = (public_ids.read("hld", one["ref"]) for one in tenders if one["kind"] == "points" and one["ref"])
    return [number for number in named if number is not None]


def _others(tenders: Sequence[Row]) -> list[Row]:
    """Return the tenders that name something of a room above."""
    return [
        one
        for one in tenders
        if one["ref"] and (one["kind"] == "voucher" or (one["kind"] == "points" and not _named([one])))
    ]


def who_paid(work: Desk, tenders: Iterable[Sequence[Row]]) -> list[Person]:
    """Return who paid with points, by the tenders of each purchase: their accounts must be locked too."""
    said = list(tenders)
    people: list[Person | None] = []
    asked: set[int] = set()
    for number in {number for one in said for number in _named(one)}:
        owner = ledger.hold_owner(merchant_id=work.merchant.pk, hold_id=number)
        if owner and owner[0] == work.plan.program_id:
            if owner[2] == "merged":
                asked.add(owner[1])
            else:
                people.append(Person(*owner[1:]))
    if others := _others([row for one in said for row in one]):
        asked |= {number for room in _rooms() for number in room.payers(work, others)}
    if asked:
        found = [(number, None) for number in sorted(asked)]
        people += lookup.people(merchant=work.merchant, plan=work.plan, asked=found, at=work.at)
    return [person for person in people if person is not None]


@db.inside_transaction
def give_back(work: Desk, purchase: Row, *, when: datetime, reference: str) -> int:
    """
    Give back what the refunds of a purchase row so far give back, beyond what was before; return the points.

    What came from an account that the desk has not locked stays where it is.
    """
    total = 0
    for one in _spent(work, purchase):
        points = refunding.paid_back(purchase, one.points) - one.returned
        if points <= 0:
            continue
        used_for, parts = ledger.parts_of(
            work.book,
            one.account,
            entry_id=one.entry_id,
            passed=one.returned,
            points=points,
            until=work.at + timedelta(days=work.plan.refund_min_days_left),
        )
        # Whatever names a purchase adds up to zero after a full refund: the entry names what the capture did.
        cause = Cause(when, reference, used_for, _reason("return", purchase), work.by)
        work.book.give_back(one.account, parts, cause=cause)
        one.keep(one.returned + points)
        total += points
    # Of one indivisible thing all comes back, or nothing.
    if _others(purchase["tenders"]) and refunding.paid_back(purchase, 1):
        for room in _rooms():
            room.give_back(work, purchase, reference=reference)
    return total


@db.inside_transaction
def take_again(work: Desk, purchase: Row, *, reference: str, at_most: int) -> int:
    """Take again what a refund had given back, at most so many points; it was undone. Return the points."""
    total = 0
    for one in _spent(work, purchase):
        points = min(one.returned - refunding.paid_back(purchase, one.points), at_most - total)
        if points <= 0:
            continue
        used_for = ledger.purchase_of(entry_id=one.entry_id)
        cause = Cause(work.at, reference, used_for, _reason("refund_undone", purchase), work.by)
        work.book.take(one.account, points, cause=cause, kind="redeem")
        one.keep(one.returned - points)
        total += points
    if _others(purchase["tenders"]):
        for room in _rooms():
            room.take_again(work, purchase, reference=reference)
    return total


def _spent(work: Desk, purchase: Row) -> Iterator[Spent]:
    for number in _named(purchase["tenders"]):
        if found := of_hold(work, number):
            yield found
    if others := _others(purchase["tenders"]):
        for room in _rooms():
            yield from room.spent(work, others)


@db.inside_transaction
def of_hold(work: Desk, hold_id: int) -> Spent | None:
    """Return the points of a captured hold; None when it is not captured, or its account is not locked."""
    found = ledger.find_hold(work.book, merchant_id=work.merchant.pk, hold_id=hold_id)
    if found is not None:
        account, hold = found
        keep = partial(_keep, hold)
    else:
        merged = ledger.merged_hold(merchant_id=work.merchant.pk, hold_id=hold_id)
        if merged is None:
            return None
        hold, target_id = merged
        account_id = membership_of(work, target_id)
        if account_id is None:
            return None
        account = work.account(account_id)
        keep = partial(ledger.keep_returned, hold_id=hold_id)
    if hold.status != "captured" or hold.entry_id is None:
        return None
    return Spent(account, hold.entry_id, hold.captured, hold.returned, keep)


def membership_of(work: Desk, customer_id: int) -> int | None:
    """Return the membership of a customer that the desk has locked, if it has."""
    return next((number for number, one in work.standings.items() if one.customer_id == customer_id), None)


def _keep(hold: HoldState, returned: int) -> None:
    hold.returned, hold.is_changed = returned, True


def _reason(code: str, purchase: Row) -> Row:
    return {"code": code, "purchase": purchase["reference"]}
