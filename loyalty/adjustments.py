"""Points given or taken by hand, always with a reason and a name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers import merging
from customers.models import Customer
from lib import db
from lib.errors import Fault, Malformed, ReferenceReused
from loyalty import desk, known, ledger, lookup
from loyalty.desk import Desk
from loyalty.ledger import Cause, Grant
from loyalty.models import Reference

__all__ = ["AdjustmentReceipt", "adjust"]

LARGEST = 10**12


class ReasonMissing(Malformed):
    code = "reason_missing"


class NothingToAdjust(Malformed):
    """Zero points, or more than any program has."""

    code = "points_out_of_range"


@dataclass(slots=True)
class AdjustmentReceipt:
    """One adjustment's answer: status created or replayed, and the account of now."""

    status: str
    adjustment_id: int
    points: int
    reason: str
    reference: str
    balance: dict[str, Any]


@db.command
def adjust(
    *,
    customer: Customer,
    points: int,
    reason: str,
    reference: str,
    by: str,
    at: datetime,
    allow_negative: bool = False,
    source: str = "api",
    program_id: int | None = None,
) -> AdjustmentReceipt:
    """
    Add (positive) or take (negative) whole points by hand, once per reference.

    Taking more than is available is refused, unless `allow_negative` lets the account go into debt.

    :raises ReasonMissing: `reason` is blank
    :raises NotEnoughPoints: more is taken than is available
    :raises AccountInDebt: points are taken from an account that already owes some
    :raises ReferenceReused: the reference is taken by another adjustment
    """
    _check(points, reason)
    work = Desk(merchant=customer.merchant, source=source, at=at, by=by, program_id=program_id)
    person = lookup.people(merchant=work.merchant, plan=work.plan, asked=[(customer.pk, None)], at=at)[0]
    assert person is not None
    desk.gather(work, looks=[(person, at)], lots=True)
    said = {"customer": person.customer_id, "points": points, "reason": reason.strip()}
    first = Reference.objects.filter(
        merchant_id=work.merchant.pk, source=source, kind="adjustment", reference=reference
    ).first()
    if first is not None:
        return _repeat(work, person, said, reference, first.target_id)
    entry_id = _move(work, person, points, reason.strip(), reference, allow_negative=allow_negative)
    balance = work.balance(person.membership_id)
    desk.write(work)
    return AdjustmentReceipt("created", entry_id, points, reason.strip(), reference, balance)


def _move(
    work: Desk, person: lookup.Person, points: int, reason: str, reference: str, *, allow_negative: bool
) -> int:
    """Move the points in memory, keep the reference and note it; return the entry's id."""
    account = work.account(person.membership_id)
    cause = Cause(work.at, reference, reason={"code": "adjust", "text": reason}, by=work.by)
    if points > 0:
        ends = work.plan.expiry.ends(work.at, zone=work.plan.zone)
        grant = Grant(points, rule="adjustment", expires_at=ends)
        work.book.earn(account, [grant], cause=cause, kind="adjust")
    elif allow_negative:
        work.book.take(account, -points, cause=cause, kind="adjust")
    else:
        work.book.spend(account, -points, cause=cause, kind="adjust")
    entry_id = int(account.entries[-1]["id"])
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=work.source,
            kind="adjustment",
            reference=reference,
            target_id=entry_id,
            at=work.at,
        )
    )
    data = {"points": points, "reason": reason, "by": work.by}
    work.note("points.adjusted", customer_id=person.customer_id, at=work.at, data=data)
    return entry_id


def _check(points: int, reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing(
            "An adjustment needs a reason.", faults=[Fault("/reason", "reason_missing", "say why")]
        )
    if points == 0 or abs(points) > LARGEST:
        raise NothingToAdjust(
            "Say how many points to give (positive) or take (negative).",
            faults=[Fault("/points", "out_of_range", "not zero, at most 10^12")],
        )


def _repeat(
    work: Desk, person: lookup.Person, said: dict[str, Any], reference: str, entry_id: int
) -> AdjustmentReceipt:
    entry = ledger.entry(entry_id=entry_id)
    first = {
        "customer": entry["customer_id"],
        "points": entry["points"],
        "reason": entry["reason"].get("text", ""),
    }
    if merging.is_now(merchant_id=work.merchant.pk, earlier=first["customer"], now=said["customer"]):
        first["customer"] = said["customer"]
    differ = [name for name in said if said[name] != first[name]]
    desk.write(work)
    if differ:
        raise ReferenceReused(reference, of="another adjustment", differ=differ)
    balance = work.balance(person.membership_id)
    return AdjustmentReceipt("replayed", entry_id, first["points"], first["reason"], reference, balance)
