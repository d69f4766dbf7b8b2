"""Refunds that came before anybody could tell which purchase they are of, applied once somebody can."""

from collections.abc import Sequence
from datetime import datetime

from lib import db
from lib.errors import DomainError
from loyalty import desk, refunds
from loyalty.desk import Desk, Row
from loyalty.models import Refund
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
    waiting = Refund.objects.filter(
        merchant=merchant, source=source, status=Refund.Status.PARKED, purchase_reference__in=references
    ).order_by("pk")
    told = {one.pk: _return(one) for one in waiting}
    if not told:
        return 0
    found = refunds.purchases_of(work, list(told.values()))
    rows = refunds.open_purchases(work, [number for number in found if number is not None])
    # Behind the lock: another worker may have applied some of them since we looked.
    still = set(waiting.values_list("pk", flat=True))
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


def _return(refund: Refund) -> Return:
    return Return(
        reference=refund.reference,
        occurred_at=refund.occurred_at,
        purchase_reference=refund.purchase_reference,
        amount_minor=refund.amount_minor,
        lines=tuple(ReturnLine(**line) for line in refund.lines),
    )


def unpark_everybody(*, at: datetime, merchant: Merchant | None = None) -> int:
    """
    Apply every parked refund whose purchase is here by now; return how many.

    A refund and its purchase that arrive in the same instant do not see each other: the sweep joins them.
    """
    only = "AND f.merchant_id = %s" if merchant else ""
    ready = db.ask(
        f"""
        SELECT f.merchant_id, f.source, f.purchase_reference FROM loyalty_refund f
        JOIN loyalty_reference r ON r.merchant_id = f.merchant_id AND r.reference = f.purchase_reference
             AND r.kind = 'purchase' AND r.source = f.source
        WHERE f.status = 'parked' {only}
        """,
        [merchant.pk] if merchant else [],
    )
    by_source: dict[tuple[int, str], list[str]] = {}
    for merchant_id, source, reference in ready.rows:
        by_source.setdefault((merchant_id, source), []).append(reference)
    shops = Merchant.objects.in_bulk({merchant_id for merchant_id, _ in by_source})
    return sum(
        unpark(merchant=shops[merchant_id], source=source, references=references, at=at, by="sweep")
        for (merchant_id, source), references in by_source.items()
    )
