"""
Points set aside for a checkout: held, then captured (used), cancelled, extended, or free again by themselves.

A hold that is past its end is free when it is read or spent, also before a job has written that down.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customers.models import Customer
from lib import db
from lib.errors import Conflict, Fault, Malformed, NotFound, ReferenceReused, Refused, differing
from loyalty import desk, ledger, lookup, purposes, reserving
from loyalty.desk import Desk
from loyalty.ledger import AccountInDebt, HoldState, NotEnoughPoints
from loyalty.lookup import Person
from loyalty.models import Reference
from loyalty.purchases import CustomerBlocked
from merchants.models import Merchant

__all__ = [
    "HoldReceipt",
    "begin",
    "cancel",
    "capture",
    "check_life",
    "close",
    "create",
    "differing_from",
    "extend",
    "place",
    "read",
]

USUAL_SECONDS, MOST_SECONDS = 1800, 7 * 24 * 3600
LARGEST = 10**12


class PointsOutOfRange(Malformed):
    """No points, or more than any program has."""

    code = "points_out_of_range"


class LifeOutOfRange(Malformed):
    code = "ttl_out_of_range"


class HoldExpired(Refused):
    """The hold is past its end, and its points have gone elsewhere or expired."""

    code = "hold_expired"


class CaptureExceedsHold(Refused):
    code = "capture_exceeds_hold"


class NotDivisible(Refused):
    """It sets something aside that is used as a whole."""

    code = "not_divisible"


class HoldCaptured(Conflict):
    """The points were used: that is final, its undo is a refund."""

    code = "hold_captured"


class HoldCancelled(Conflict):
    code = "hold_cancelled"


@dataclass(slots=True)
class HoldReceipt:
    """
    One hold's answer: status created, replaced (the reference had a hold that was not used), replayed or
    changed; the hold as it is now, whose it is, and the account of now. `promise` is what else was set
    aside with the points, as its room tells it.
    """

    status: str
    hold: HoldState
    customer_id: int
    balance: dict[str, Any]
    promise: Any = None


@db.command
def create(
    *,
    customer: Customer,
    points: int,
    reference: str,
    at: datetime,
    by: str = "",
    ttl_seconds: int | None = None,
    source: str = "api",
    program_id: int | None = None,
) -> HoldReceipt:
    """
    Set whole points aside for a checkout, for `ttl_seconds` (by default 30 minutes, at most 7 days).

    The same reference again answers the first hold; with other content it replaces one that was neither
    captured nor cancelled, whoever's it was. A life that is not said is not compared.

    :raises NotEnoughPoints: fewer than `points` are available
    :raises AccountInDebt: the customer owes points
    :raises CustomerBlocked: the customer may not use points
    :raises ReferenceReused: the reference has another hold, which was captured or cancelled
    """
    _check_points(points)
    check_life(ttl_seconds)
    work = Desk(merchant=customer.merchant, source=source, at=at, by=by, program_id=program_id)
    person, hold = begin(work, customer=customer, reference=reference)
    if hold is not None and not differing_from(
        work, person, hold, points=points, ttl_seconds=ttl_seconds, purpose={}
    ):
        return close(work, person.membership_id, hold, "replayed")
    status = "replaced" if hold else "created"
    hold = place(work, person, hold, points, reference=reference, ttl_seconds=ttl_seconds, purpose={})
    return close(work, person.membership_id, hold, status)


@db.inside_transaction
def begin(work: Desk, *, customer: Customer, reference: str) -> tuple[Person, HoldState | None]:
    """Lock the customer's account, return who they are and the hold this reference has, its account locked."""
    asked = [(customer.pk, None)]
    person = lookup.people(merchant=work.merchant, plan=work.plan, asked=asked, at=work.at)[0]
    assert person is not None
    first = _said_before(work, reference)
    owner = None if first is None else ledger.hold_owner(merchant_id=work.merchant.pk, hold_id=first)
    people = {person} if owner is None else {person, Person(*owner[1:])}
    desk.gather(work, looks=[(one, work.at) for one in people], lots=True)
    # Looked for again behind the lock: a twin of this call may have been faster.
    hold_id = _said_before(work, reference)
    if hold_id is None:
        return person, None
    return person, ledger.open_hold(work.book, merchant_id=work.merchant.pk, hold_id=hold_id)


@db.inside_transaction
def differing_from(
    work: Desk,
    person: Person,
    hold: HoldState,
    *,
    purpose: dict[str, Any],
    points: int | None = None,
    ttl_seconds: int | None = None,
) -> bool:
    """
    Tell whether what is asked for is another thing than the hold this reference has: it is to be replaced.

    What is None is not compared.

    :raises ReferenceReused: it is, and the hold was captured or cancelled
    """
    said = {
        "customer": (person.membership_id, _account_of(work, hold)),
        "points": (hold.points if points is None else points, hold.points),
        "ttl_seconds": (ttl_seconds or hold.ttl_seconds, hold.ttl_seconds),
        "reward": (purpose, hold.purpose),
    }
    differ = [name for name, (new, old) in said.items() if new != old]
    if not differ and hold.status != "expired":
        return False
    if hold.status in ("captured", "cancelled"):
        raise ReferenceReused(hold.reference, of=f"a hold that was {hold.status}", differ=differ)
    return True


@db.inside_transaction
def place(
    work: Desk,
    person: Person,
    hold: HoldState | None,
    points: int,
    *,
    reference: str,
    purpose: dict[str, Any],
    ttl_seconds: int | None,
) -> HoldState:
    """
    Set points aside: in a new hold, or in the one this reference has, whoever's it was and whatever for.

    :raises CustomerBlocked: the customer may not use points
    :raises NotEnoughPoints: fewer than `points` are available
    :raises AccountInDebt: the customer owes points
    """
    _insist(person)
    seconds = ttl_seconds or USUAL_SECONDS
    if hold is None:
        return reserving.reserve(
            work,
            person.membership_id,
            points,
            reference=reference,
            ttl_seconds=seconds,
            purpose=purpose,
        )
    owner_id = _account_of(work, hold)
    purposes.let_go(merchant_id=work.merchant.pk, holds=[hold])
    if owner_id != person.membership_id:
        # The wrong card was scanned first: the hold moves to the other account, both are locked.
        reserving.free(work, owner_id, hold)
        work.account(owner_id).holds.remove(hold)
    hold.ttl_seconds, hold.purpose, hold.created_at = seconds, purpose, work.at
    until = work.at + timedelta(seconds=seconds)
    reserving.reserve_again(work, person.membership_id, hold, points, until=until, kind="hold.replaced")
    return hold


def _check_points(points: int) -> None:
    if not 1 <= points <= LARGEST:
        raise PointsOutOfRange(
            "Say how many points to hold.", faults=[Fault("/points", "out_of_range", "1 to 10^12")]
        )


def check_life(ttl_seconds: int | None) -> None:
    """:raises LifeOutOfRange: shorter than a second, or longer than seven days"""
    if ttl_seconds is not None and not 1 <= ttl_seconds <= MOST_SECONDS:
        raise LifeOutOfRange(
            "A hold lasts from one second to seven days.",
            faults=[Fault("/ttl_seconds", "out_of_range", f"1 to {MOST_SECONDS}")],
        )


def _insist(person: Person) -> None:
    if person.status == Customer.Status.BLOCKED:
        raise CustomerBlocked("This customer is blocked; their points cannot be used.")


def _said_before(work: Desk, reference: str) -> int | None:
    """Return the hold that has this reference."""
    named = Reference.objects.filter(
        merchant_id=work.merchant.pk, source=work.source, kind="hold", reference=reference
    )
    return named.values_list("target_id", flat=True).first()


def _account_of(work: Desk, hold: HoldState) -> int:
    return next(
        account.id
        for account in work.book.accounts.values()
        if any(one.id == hold.id for one in account.holds)
    )


@db.command
def capture(
    *,
    merchant: Merchant,
    hold_id: int,
    at: datetime,
    by: str = "",
    points: int | None = None,
    purchase_reference: str | None = None,
    source: str = "api",
) -> HoldReceipt:
    """
    Use the points of a hold, all or `points` of them; the rest is free again. Final: its undo is a refund.

    Captured again with the same content, it answers the same; what is not said is not compared. Past its end
    it works while the points are still available. With `purchase_reference` the entry names that purchase.

    :raises NotFound: there is no such hold here
    :raises CaptureExceedsHold: more than is held
    :raises NotDivisible: a part of what holds a reward
    :raises HoldExpired: past its end, and the points are not there any more
    :raises HoldCaptured: captured before, with other content
    :raises HoldCancelled: cancelled before
    """
    work, membership_id, hold = _open(merchant, hold_id, at=at, by=by, source=source)
    if hold.status == "cancelled":
        raise HoldCancelled("This hold was cancelled; its points were not used.")
    said = {
        "points": (points, hold.captured),
        "purchase_reference": (purchase_reference, hold.purchase_reference),
    }
    if hold.status == "captured":
        differ = [name for name, (new, old) in said.items() if new is not None and new != old]
        if differ:
            raise HoldCaptured(
                f"This hold was captured, with {hold.captured} points.", faults=differing(differ)
            )
        return close(work, membership_id, hold, "replayed")
    wanted = _wanted(hold, points)
    hold.purchase_reference = purchase_reference or ""
    purchase_id = _purchase(work, purchase_reference)
    try:
        reserving.capture(work, membership_id, hold, wanted, purchase_id=purchase_id)
    except (NotEnoughPoints, AccountInDebt) as refusal:
        raise _expired(work, membership_id) from refusal
    if purpose := purposes.of(hold):
        purpose.use(work, membership_id, hold)
    return close(work, membership_id, hold, "changed")


def _wanted(hold: HoldState, points: int | None) -> int:
    """Return how many of the held points are to be used."""
    wanted = hold.points if points is None else points
    if wanted < 1:
        raise PointsOutOfRange(
            "Say how many points to use; to use none, cancel the hold.",
            faults=[Fault("/points", "out_of_range", "at least 1")],
        )
    if wanted > hold.points:
        raise CaptureExceedsHold(
            f"The hold has {hold.points} points.",
            faults=[Fault("/points", "capture_exceeds_hold", f"at most {hold.points}")],
        )
    if purposes.of(hold) and wanted != hold.points:
        raise NotDivisible(
            "A reward is used as a whole: capture all points of its hold, or cancel it.",
            faults=[Fault("/points", "not_divisible", f"{hold.points}, or leave it out")],
        )
    return wanted


@db.command
def cancel(
    *, merchant: Merchant, hold_id: int, at: datetime, by: str = "", source: str = "api"
) -> HoldReceipt:
    """
    Free the points of a hold. A hold past its end is cancelled too; cancelling again answers the same.

    :raises NotFound: there is no such hold here
    :raises HoldCaptured: the points were used
    """
    work, membership_id, hold = _open(merchant, hold_id, at=at, by=by, source=source)
    if hold.status == "captured":
        raise HoldCaptured("The points of this hold were used; refund the purchase to give them back.")
    if hold.status == "cancelled":
        return close(work, membership_id, hold, "replayed")
    reserving.free(work, membership_id, hold)
    return close(work, membership_id, hold, "changed")


@db.command
def extend(
    *,
    merchant: Merchant,
    hold_id: int,
    at: datetime,
    by: str = "",
    ttl_seconds: int | None = None,
    source: str = "api",
) -> HoldReceipt:
    """
    Let a hold last `ttl_seconds` from now (by default 30 minutes), never past seven days after it was made.

    It never ends earlier than it would have, so saying it again does no harm. Past its end a hold is
    extended while its points are still available.

    :raises NotFound: there is no such hold here
    :raises HoldExpired: past its end, and the points are not there any more
    :raises HoldCaptured: the points were used
    :raises HoldCancelled: it was cancelled
    """
    check_life(ttl_seconds)
    work, membership_id, hold = _open(merchant, hold_id, at=at, by=by, source=source)
    if hold.status == "captured":
        raise HoldCaptured("The points of this hold were used.")
    if hold.status == "cancelled":
        raise HoldCancelled("This hold was cancelled; hold the points again under another reference.")
    until = min(
        at + timedelta(seconds=ttl_seconds or USUAL_SECONDS),
        hold.created_at + timedelta(seconds=MOST_SECONDS),
    )
    if hold.status == "active" and until <= hold.expires_at:
        return close(work, membership_id, hold, "replayed")
    if until <= at:
        raise _expired(work, membership_id)
    try:
        reserving.reserve_again(work, membership_id, hold, hold.points, until=until, kind="hold.extended")
    except (NotEnoughPoints, AccountInDebt) as refusal:
        raise _expired(work, membership_id) from refusal
    if purpose := purposes.of(hold):
        purpose.renew(work, hold, until=until)
    return close(work, membership_id, hold, "changed")


def read(*, merchant: Merchant, hold_id: int, at: datetime) -> dict[str, Any]:
    """
    Return a hold as it stands at `at`: one past its end is `expired`.

    :raises NotFound: there is no such hold here
    """
    row = ledger.hold(merchant_id=merchant.pk, hold_id=hold_id)
    if row is None:
        raise _missing()
    if row["status"] == "active" and row["expires_at"] <= at:
        row["status"] = "expired"
    return row


def _open(
    merchant: Merchant, hold_id: int, *, at: datetime, by: str, source: str
) -> tuple[Desk, int, HoldState]:
    """Lock the account of a hold, do what is due, and return the desk, the account and the hold behind it."""
    owner = ledger.hold_owner(merchant_id=merchant.pk, hold_id=hold_id)
    if owner is None:
        raise _missing()
    work = Desk(merchant=merchant, source=source, at=at, by=by, program_id=owner[0])
    person = Person(*owner[1:])
    desk.gather(work, looks=[(person, at)], lots=True)
    hold = ledger.open_hold(work.book, merchant_id=merchant.pk, hold_id=hold_id)
    return work, person.membership_id, hold


@db.inside_transaction
def close(work: Desk, membership_id: int, hold: HoldState, status: str) -> HoldReceipt:
    """Write what the desk has, and return the hold's answer."""
    purpose = purposes.of(hold)
    promise = purpose and purpose.told(merchant_id=work.merchant.pk, hold_id=hold.id, at=work.at)
    balance = work.balance(membership_id)
    customer_id = work.standings[membership_id].customer_id
    receipt = HoldReceipt(status, hold, customer_id, balance, promise)
    desk.write(work, answer=receipt)
    return receipt


def _purchase(work: Desk, reference: str | None) -> int | None:
    """Return the purchase of this reference; None while it is not here yet."""
    if not reference:
        return None
    named = Reference.objects.filter(
        merchant_id=work.merchant.pk, source=work.source, kind="purchase", reference=reference
    )
    return named.values_list("target_id", flat=True).first()


def _expired(work: Desk, membership_id: int) -> HoldExpired:
    available = work.account(membership_id).available
    return HoldExpired(f"The hold has ended, and {available} points are available; hold the points again.")


def _missing() -> NotFound:
    return NotFound("There is no such hold.")
