"""Sales that were told before their customer was known get their customer, and their points, afterwards."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Q

from customers import identifiers
from customers.identifiers import Given
from customers.models import Customer, Identifier
from lib import db
from lib.errors import Conflict, NotFound
from loyalty import desk, lookup, purchases
from loyalty.desk import Desk
from loyalty.models import Purchase
from loyalty.receipts import Receipt
from loyalty.sale import Line, Sale, Tender
from merchants.models import Merchant, Store

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


@db.inside_transaction
def match_new(*, merchant: Merchant, customers: Sequence[int], at: datetime, by: str = "match") -> int:
    """
    Match what waits for the verified identifiers of these customers, inside the caller's transaction; return
    how many. For who just joined or just proved a contact: the points are there with the answer.
    """
    source, params = db.given({"id": "bigint"}, [(number,) for number in customers])
    found = db.ask(
        f"""
        SELECT i.customer_id, p.id
        FROM {source}
        JOIN customers_identifier i ON i.customer_id = given.id AND i.verified_at IS NOT NULL
        JOIN loyalty_purchase p ON p.merchant_id = i.merchant_id AND p.status = 'unmatched'
             AND p.waits_for = i.type || '|' || i.source || '|' || i.value
        WHERE i.merchant_id = %s
        ORDER BY i.customer_id, p.id
        """,
        [*params, merchant.pk],
    ).rows
    waiting: dict[int, list[int]] = {}
    for customer_id, purchase_id in found:
        waiting.setdefault(customer_id, []).append(purchase_id)
    for customer_id, numbers in waiting.items():
        _match(merchant=merchant, purchase_ids=numbers, customer_id=customer_id, at=at, by=by)
    return len(found)


def match_everybody(*, at: datetime, merchant: Merchant | None = None, by: str = "match") -> int:
    """
    Match every purchase whose customer is here by now; return how many. Repeatable.

    Whoever gets an identifier is matched at once (`match_new`): this finds what that could not finish.
    """
    waiting = Purchase.objects.filter(status="unmatched").exclude(waits_for="")
    if merchant is not None:
        waiting = waiting.filter(merchant=merchant)
    done = 0
    after = (0, "")
    while names := list(
        waiting.filter(Q(merchant_id__gt=after[0]) | Q(merchant_id=after[0], waits_for__gt=after[1]))
        .order_by("merchant_id", "waits_for")
        .values_list("merchant_id", "waits_for")
        .distinct()[:CHUNK]
    ):
        after = names[-1]
        for owner in Merchant.objects.filter(pk__in={number for number, _ in names}):
            parts = [name.split("|", 2) for number, name in names if number == owner.pk]
            given = [Given(type, value, source) for type, source, value in parts]
            found = identifiers.resolve(merchant=owner, given=given, verified_only=True)
            for customer in Customer.objects.filter(merchant=owner, pk__in={one for one in found if one}):
                done += match_waiting(customer=customer, at=at, by=by)
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
    stores = _codes(merchant, {row["store_id"] for row in rows.values()} - {None})
    receipts = []
    for row in sorted(rows.values(), key=lambda row: row["occurred_at"]):
        if row["status"] != "unmatched":
            receipts.append(Receipt("replayed", row))
            continue
        row |= {"status": "recorded", "waits_for": ""}
        purchases.award(work, row, told(row, store=stores.get(row["store_id"], "")), person)
        work.changed_purchases[row["id"]] = row
        receipts.append(Receipt("created", row))
    desk.write(work)
    return receipts


def _codes(merchant: Merchant, stores: Collection[int]) -> dict[int, str]:
    """Return the codes of stores, which rules go by; nothing is asked where no sale names one."""
    if not stores:
        return {}
    return dict(Store.objects.filter(merchant=merchant, pk__in=stores).values_list("pk", "code"))


def told(row: dict[str, Any], *, store: str) -> Sale:
    """Return the sale that a purchase row was told as, in the store of this code."""
    sale = Sale(
        reference=row["reference"],
        currency=row["currency"],
        amount_minor=row["amount_minor"],
        occurred_at=row["occurred_at"],
        tax_minor=row["tax_minor"],
        store_id=row["store_id"],
        store=store,
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
