"""Refunds that came before anybody could tell which purchase they are of, applied once somebody can."""

from collections.abc import Sequence
from datetime import datetime

from lib import db
from lib.errors import DomainError
from loyalty import desk, known, refunds
from loyalty.desk import Desk, Row
from loyalty.refunds import Return, ReturnLine
from merchants.models import Merchant


@db.command
def unpark(*, merchant: Merchant, source: str, references: Sequence[str], at: datetime, by: str = "") -> int:
    """
    Apply the refunds parked under these purchase references whose purchase is here by now; return how many.

    A purchase takes its own parked refunds along when it is recorded; this is for numbers it got later.
    A refund of more than was paid stays parked and visible. Repeating changes nothing.
    """
    work = Desk(merchant=merchant, source=source, at=at, by=by)
    parked = known.ask_parked(merchant_id=merchant.pk, source=source, references=references).rows
    told = {
        number: Return(
            reference=reference,
            occurred_at=db.time(occurred_at) or at,
            purchase_reference=purchase_reference,
            amount_minor=amount_minor,
            lines=tuple(ReturnLine(**line) for line in db.loaded(lines)),
        )
        for number, purchase_reference, reference, amount_minor, lines, occurred_at in parked
    }
    found = refunds.purchases_of(work, list(told.values()))
    rows = refunds.open_purchases(work, [number for number in found if number is not None])
    # Behind the lock: another worker may have applied some of them since we looked.
    still = {
        row[0] for row in known.ask_parked(merchant_id=merchant.pk, source=source, references=references).rows
    }
    for (number, refund), purchase_id in zip(told.items(), found, strict=True):
        if purchase_id is None or number not in still:
            continue
        row: Row = {"id": number, "written_off": 0, "purchase_reference": refund.purchase_reference}
        try:
            refunds.apply(work, row, rows[purchase_id], refund)
        except DomainError:
            continue
        work.changed_refunds.append(row)
    desk.write(work)
    return len(work.changed_refunds)
