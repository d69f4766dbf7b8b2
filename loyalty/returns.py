"""
Points that paid for a purchase, given back with its refund.

A tender of kind `points` names its hold. Pro rata of the merchandise, cumulative like all refunds, its points
go back to the lots they came from; a lot that would expire too soon gets a sister with the days the
program promises.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from lib import db, public_ids
from loyalty import ledger, refunding
from loyalty.desk import Desk, Row
from loyalty.ledger import AccountState, Cause, HoldState
from loyalty.lookup import Person


def _named(tenders: Sequence[Row]) -> list[int]:
    """Return the holds that tenders name."""
    named = (public_ids.read("hld", one["ref"]) for one in tenders if one["kind"] == "points" and one["ref"])
    return [number for number in named if number is not None]


def who_paid(work: Desk, tenders: Iterable[Sequence[Row]]) -> list[Person]:
    """Return who paid with points, by the tenders of each purchase: their accounts must be locked too."""
    holds = {number for one in tenders for number in _named(one)}
    owners = [ledger.hold_owner(merchant_id=work.merchant.pk, hold_id=number) for number in holds]
    return [Person(*owner[1:]) for owner in owners if owner and owner[0] == work.plan.program_id]


@db.inside_transaction
def give_back(work: Desk, purchase: Row, *, when: datetime, reference: str) -> int:
    """
    Give back what the refunds of a purchase row so far give back, beyond what was before; return the points.

    What came from an account that the desk has not locked stays where it is.
    """
    total = 0
    for account, hold in _captured(work, purchase):
        points = refunding.paid_back(purchase, hold.captured) - hold.returned
        if points <= 0:
            continue
        used_for, parts = ledger.parts_of(
            work.book,
            account,
            hold,
            points=points,
            until=work.at + timedelta(days=work.plan.refund_min_days_left),
        )
        # Whatever names a purchase adds up to zero after a full refund: the entry names what the capture did.
        cause = Cause(when, reference, used_for, _reason("return", purchase), work.by)
        work.book.give_back(account, parts, cause=cause, hold=hold)
        total += points
    return total


@db.inside_transaction
def take_again(work: Desk, purchase: Row, *, reference: str) -> int:
    """Take again what a refund had given back that was then undone; return the points."""
    total = 0
    for account, hold in _captured(work, purchase):
        points = hold.returned - refunding.paid_back(purchase, hold.captured)
        if points <= 0:
            continue
        used_for = ledger.purchase_of(hold)
        cause = Cause(work.at, reference, used_for, _reason("refund_undone", purchase), work.by)
        work.book.take(account, points, cause=cause, kind="redeem")
        hold.returned, hold.is_changed = hold.returned - points, True
        total += points
    return total


def _captured(work: Desk, purchase: Row) -> Iterator[tuple[AccountState, HoldState]]:
    for number in _named(purchase["tenders"]):
        found = ledger.find_hold(work.book, merchant_id=work.merchant.pk, hold_id=number)
        if found is not None and found[1].status == "captured":
            yield found


def _reason(code: str, purchase: Row) -> Row:
    return {"code": code, "purchase": purchase["reference"]}
