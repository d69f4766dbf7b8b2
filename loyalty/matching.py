"""Sales that were told before their customer was known get their customer, and their points, afterwards."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from customers.models import Customer, Identifier
from lib import db
from lib.errors import Conflict, NotFound
from loyalty import desk, lookup, purchases
from loyalty.desk import Desk
from loyalty.models import Purchase
from loyalty.receipts import Receipt
from loyalty.sale import Line, Sale, Tender
from merchants.models import Merchant

CHUNK = 500


class AlreadyMatched(Conflict):
    code = "purchase_already_matched"


@db.command
def match(*, merchant: Merchant, purchase_id: int, customer: Customer, at: datetime, by: str) -> Receipt:
    """
    Give an unmatched purchase its customer: points and tier as of the time of the sale.

    :raises NotFound: there is no such purchase here
    :raises AlreadyMatched: it has another customer
    """
    receipts = _match(merchant=merchant, purchase_ids=[purchase_id], customer_id=customer.pk, at=at, by=by)
    if not receipts:
        raise NotFound("There is no such purchase.")
    if receipts[0].status == "replayed" and receipts[0].row["customer_id"] != customer.pk:
        raise AlreadyMatched("This purchase has another customer already.")
    return receipts[0]


def match_waiting(*, customer: Customer, at: datetime, by: str = "match") -> int:
    """Match every purchase that waits for one of the customer's identifiers; return how many. Repeatable."""
    names = [
        f"{one.type}|{one.source}|{one.value}"
        for one in Identifier.objects.filter(customer=customer, verified_at__isnull=False)
    ]
    waiting = Purchase.objects.filter(merchant=customer.merchant_id, status="unmatched", waits_for__in=names)
    done = 0
    while ids := list(waiting.order_by("occurred_at").values_list("pk", flat=True)[:CHUNK]):
        done += len(
            match_some(merchant=customer.merchant, purchase_ids=ids, customer_id=customer.pk, at=at, by=by)
        )
    return done


@db.command
def match_some(
    *, merchant: Merchant, purchase_ids: Sequence[int], customer_id: int, at: datetime, by: str
) -> list[Receipt]:
    """Give these unmatched purchases one customer; those matched meanwhile stay as they are."""
    return _match(merchant=merchant, purchase_ids=purchase_ids, customer_id=customer_id, at=at, by=by)


def _match(
    *, merchant: Merchant, purchase_ids: Sequence[int], customer_id: int, at: datetime, by: str
) -> list[Receipt]:
    # The points were earned then and are judged by then, however long ago that was.
    work = Desk(merchant=merchant, source="match", at=at, by=by, as_of="history")
    person = lookup.people(merchant=merchant, plan=work.plan, asked=[(customer_id, None)], at=at)[0]
    if person is None:
        raise NotFound("There is no such customer.")
    times = Purchase.objects.filter(merchant=merchant, pk__in=purchase_ids).values_list(
        "occurred_at", flat=True
    )
    looks = [(person, when) for when in times] or [(person, at)]
    rows = desk.gather(work, looks=looks, purchases=purchase_ids, lots=True)
    receipts = []
    for row in sorted(rows.values(), key=lambda row: row["occurred_at"]):
        if row["status"] != "unmatched":
            receipts.append(Receipt("replayed", row))
            continue
        row |= {"status": "recorded", "waits_for": ""}
        purchases.award(work, row, told(row), person)
        work.changed_purchases[row["id"]] = row
        receipts.append(Receipt("created", row))
    desk.write(work)
    return receipts


def told(row: dict[str, Any]) -> Sale:
    """Return the sale that a purchase row was told as."""
    sale = Sale(
        reference=row["reference"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        occurred_at=row["occurred_at"],
        tax_minor=row["tax_minor"],
        store_id=row["store_id"],
        till=row["till"],
        staff_ref=row["staff_ref"],
        channel=row["channel"],
        basket=row["basket"],
    )
    return replace(
        sale,
        lines=tuple(Line(**line) for line in row["lines"]),
        tenders=tuple(Tender(**tender) for tender in row["tenders"]),
    )
