"""Points that a customer gives to another one, where the program allows it. They keep their dates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers import merging
from customers.models import Customer
from lib import db, public_ids
from lib.errors import Fault, Malformed, NotFound, ReferenceReused, Refused
from loyalty import desk, households, known, ledger, lookup
from loyalty.desk import Desk
from loyalty.ledger import Cause
from loyalty.lookup import Person
from loyalty.models import Program, Reference

__all__ = ["TransferReceipt", "transfer"]

LARGEST = 10**12
KINDS = ("transfer_out", "transfer_in")


class NothingToTransfer(Malformed):
    code = "points_out_of_range"


class SameCustomer(Malformed):
    code = "same_customer"


class NotAllowed(Refused):
    """The program does not let customers give points to each other."""

    code = "transfers_not_allowed"


class TooMany(Refused):
    """More than the program lets a customer send in a month."""

    code = "transfer_limit"


class IsBlocked(Refused):
    code = "customer_blocked"


@dataclass(slots=True)
class TransferReceipt:
    """One transfer's answer: status created or replayed, and what the source has now."""

    status: str
    transfer_id: int
    points: int
    reference: str
    balance: dict[str, Any]


@db.command
def transfer(
    *,
    source: Customer,
    target: Customer,
    points: int,
    reference: str,
    by: str,
    at: datetime,
    said_by: str = "api",
    program_id: int | None = None,
) -> TransferReceipt:
    """
    Give whole points of one customer to another, those that expire first, once per reference.

    A household's holder stands for its pool: members move points into it, and out of it where the program
    allows that or nobody else is in it.

    :raises NothingToTransfer: fewer than one point
    :raises SameCustomer: they are one customer
    :raises NotAllowed: the program says nothing of transfers, or no
    :raises TooMany: more than the program allows in this month
    :raises IsBlocked: one of them is blocked
    :raises NotEnoughPoints: more than the source has
    :raises AccountInDebt: the source owes points
    :raises NotAMember: the pool is of a household that the customer is not in
    :raises ReferenceReused: the reference is taken by another transfer
    """
    work = Desk(merchant=source.merchant, source=said_by, at=at, by=by, program_id=program_id)
    _check(source, target, points)
    giver, taker = _people(work, source, target)
    desk.gather(work, looks=[(giver, at), (taker, at)], lots=True)
    first = Reference.objects.filter(
        merchant_id=work.merchant.pk, source=said_by, kind="transfer", reference=reference
    ).first()
    if first is not None:
        return _repeat(work, giver, taker, points, reference, first.target_id)
    _admit(work, giver, taker, points)
    entry_id = _move(work, giver, taker, points, reference)
    balance = work.balance(giver.membership_id)
    desk.write(work)
    return TransferReceipt("created", entry_id, points, reference, balance)


def _check(source: Customer, target: Customer, points: int) -> None:
    if not 1 <= points <= LARGEST:
        raise NothingToTransfer(
            "Say how many points to give.", faults=[Fault("/points", "out_of_range", "1 to 10^12")]
        )
    if source.merchant_id != target.merchant_id:
        raise NotFound(
            "There is no such customer.", faults=[Fault("/target", "not_found", "There is no such object")]
        )


def _people(work: Desk, source: Customer, target: Customer) -> tuple[Person, Person]:
    asked = [(source.pk, None), (target.pk, None)]
    giver, taker = lookup.people(merchant=work.merchant, plan=work.plan, asked=asked, at=work.at)
    assert giver is not None
    assert taker is not None
    if giver.customer_id == taker.customer_id:
        raise SameCustomer(
            "Points are given to somebody else: name another customer.",
            faults=[Fault("/target", "same_customer", "is the source")],
        )
    return giver, taker


def _admit(work: Desk, giver: Person, taker: Person, points: int) -> None:
    said = Program.objects.values_list("extras", flat=True).get(pk=work.plan.program_id).get("transfers")
    allowed = said or {}
    if "household" in (giver.status, taker.status):
        _admit_pool(giver, taker, allowed)
    elif not allowed.get("allowed"):
        raise NotAllowed(
            "This program does not let customers give points to each other. Its file can: "
            "transfers: {allowed: true}."
        )
    for name, one in (("source", giver), ("target", taker)):
        if one.status == Customer.Status.BLOCKED:
            raise IsBlocked(
                "This customer is blocked; the shop can lift that in the admin.",
                faults=[Fault(f"/{name}", "customer_blocked", "is blocked")],
            )
    most = allowed.get("max_per_month")
    if most is not None and giver.status != "household" and _sent_this_month(work, giver) + points > most:
        raise TooMany(
            f"A customer may send {most} points in a month; this would be more.",
            faults=[Fault("/points", "transfer_limit", f"at most {most} in a month")],
        )


def _admit_pool(giver: Person, taker: Person, allowed: dict[str, Any]) -> None:
    if not allowed.get("household"):
        raise NotAllowed("This program has no households. Its file can: transfers: {household: true}.")
    is_out = giver.status == "household"
    holder, member = (giver, taker) if is_out else (taker, giver)
    place = households.place_in(holder_id=holder.customer_id, customer_id=member.customer_id)
    if is_out and not households.may_take_out(place):
        raise NotAllowed(
            "What is in the pool is spent together: this program does not let members take points out. Its "
            "file can: transfers: {take_out: true}."
        )


def _sent_this_month(work: Desk, giver: Person) -> int:
    """Return the points sent since the first of the month, by the shop's calendar."""
    starts = work.plan.local(work.at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    sent = ledger.entries(merchant_id=work.merchant.pk, memberships=[giver.membership_id])
    rows = sent.filter(kind="transfer_out", occurred_at__gte=starts)
    return -sum(rows.values_list("points", flat=True))


def _move(work: Desk, giver: Person, taker: Person, points: int, reference: str) -> int:
    """Move the points in memory, keep the reference and note it; return the id of the giver's entry."""
    account = work.account(giver.membership_id)
    names = [public_ids.show("cus", one.customer_id) for one in (giver, taker)]
    causes = [
        Cause(work.at, reference, reason={"code": code, "other": other}, by=work.by)
        for code, other in zip(KINDS, reversed(names), strict=True)
    ]
    work.book.move(
        account,
        work.account(taker.membership_id),
        work.book.pick(account, points),
        kinds=KINDS,
        causes=(causes[0], causes[1]),
        keeps_purchase=False,
    )
    entry_id = int(account.entries[-1]["id"])
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=work.source,
            kind="transfer",
            reference=reference,
            target_id=entry_id,
            at=work.at,
        )
    )
    for kind, one, other in (("points.sent", giver, names[1]), ("points.received", taker, names[0])):
        data = {"points": points, "other": other, "by": work.by}
        work.note(kind, customer_id=one.customer_id, at=work.at, data=data)
    return entry_id


def _repeat(
    work: Desk, giver: Person, taker: Person, points: int, reference: str, entry_id: int
) -> TransferReceipt:
    entry = ledger.entry(entry_id=entry_id)
    earlier = {"source": entry["customer_id"], "target": public_ids.read("cus", entry["reason"]["other"])}
    differ = [
        name
        for name, one in (("source", giver), ("target", taker))
        if not merging.is_now(merchant_id=work.merchant.pk, earlier=earlier[name], now=one.customer_id)
    ]
    if -entry["points"] != points:
        differ.append("points")
    desk.write(work)
    if differ:
        raise ReferenceReused(reference, of="another transfer", differ=differ)
    return TransferReceipt("replayed", entry_id, points, reference, work.balance(giver.membership_id))
