"""
The steps of holding points: for the commands of `holds`, and for any command that has a desk open and
wants points set aside for something of its own.
"""

from datetime import datetime, timedelta
from typing import Any

from lib import db, public_ids
from loyalty import known
from loyalty.desk import Desk
from loyalty.ledger import Cause, HoldState


@db.inside_transaction
def reserve(
    work: Desk,
    membership_id: int,
    points: int,
    *,
    reference: str,
    ttl_seconds: int,
    purpose: dict[str, Any] | None = None,
) -> HoldState:
    """
    Set whole points aside for so many seconds from the desk's time, under a reference nobody has used.

    The account must be in the desk's book, with its lots. `desk.write` writes it. `purpose` is kept with
    the hold, for whoever holds points for more than points.

    :raises AccountInDebt: the customer owes points
    :raises NotEnoughPoints: fewer than `points` are available
    """
    hold = HoldState(
        id=public_ids.new(),
        points=0,
        status="active",
        expires_at=work.at,
        created_at=work.at,
        reference=reference,
        source=work.source,
        ttl_seconds=ttl_seconds,
        purpose=purpose or {},
        is_new=True,
    )
    until = work.at + timedelta(seconds=ttl_seconds)
    work.book.reserve(work.account(membership_id), hold, points=points, until=until)
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=work.source,
            kind="hold",
            reference=reference,
            target_id=hold.id,
            at=work.at,
        )
    )
    note(work, membership_id, hold, "hold.created", expires_at=until)
    return hold


@db.inside_transaction
def reserve_again(
    work: Desk, membership_id: int, hold: HoldState, points: int, *, until: datetime, kind: str
) -> None:
    """Give a hold that was not used other points or another end, and note it as `kind`."""
    work.book.reserve(work.account(membership_id), hold, points=points, until=until)
    note(work, membership_id, hold, kind, expires_at=until)


@db.inside_transaction
def capture(
    work: Desk, membership_id: int, hold: HoldState, points: int, *, purchase_id: int | None = None
) -> None:
    """
    Use points of a hold for good; its rest is free again. The entry names the purchase, if one is given.

    :raises AccountInDebt: the hold is past its end, and the customer owes points
    :raises NotEnoughPoints: the hold is past its end, and its points are not there any more
    """
    cause = Cause(
        work.at,
        hold.reference,
        purchase_id,
        {"code": "hold_capture", "hold": public_ids.show("hld", hold.id)},
        work.by,
    )
    work.book.capture(work.account(membership_id), hold, points, cause=cause)
    note(work, membership_id, hold, "hold.captured", captured=points)


@db.inside_transaction
def free(work: Desk, membership_id: int, hold: HoldState) -> None:
    """Cancel a hold that was not used: its points are available again, or expire if it kept them from that."""
    work.book.free(work.account(membership_id), hold, at=work.at)
    note(work, membership_id, hold, "hold.cancelled")


def note(work: Desk, membership_id: int, hold: HoldState, kind: str, **more: Any) -> None:
    customer_id = work.standings[membership_id].customer_id
    work.note(kind, customer_id=customer_id, at=work.at, data=hold.facts() | more)
