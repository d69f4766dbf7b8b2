"""Purchases: told by tills, once each; listed, refunded, released, voided."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from api import fields, reasons, sales, stores
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Reference
from api.filters import Filters, Since
from api.shapes import CalculationOut, PurchaseOut, WaitingOut
from customers.models import Customer
from lib import public_ids
from loyalty import purchases, voids
from loyalty.models import Purchase
from loyalty.receipts import Receipt

STATUS = {"created": 201, "replayed": 200, "unmatched": 202}


class PurchaseFilters(Filters):
    reference = django_filters.CharFilter(label="The caller's own number")
    customer = django_filters.CharFilter(
        method="of_person", label="The customer's id; with what was bought before a merge"
    )
    store = django_filters.CharFilter(field_name="store__code", label="The store's code")
    channel = django_filters.CharFilter(label="store, web, app")
    occurred_after = Since(field_name="occurred_at", lookup_expr="gte", label="From this time on")
    occurred_before = Since(field_name="occurred_at", lookup_expr="lt", label="Before this time")

    def of_person(self, rows: QuerySet[Purchase], name: str, value: str) -> QuerySet[Purchase]:
        number = public_ids.read("cus", value)
        if number is None:
            return rows.none()
        merged = Customer.objects.filter(merchant=self.request.auth.merchant, merged_into=number)
        return rows.filter(customer__in=[number, *merged.values_list("pk", flat=True)])


class ReferenceIn(Body):
    """The caller's own number of what is done."""

    reference: Reference


class Purchases(Door):
    """Sales, as tills tell them."""

    @call(
        scopes=("purchases:write",),
        body=sales.SaleIn,
        answers={201: PurchaseOut, 200: PurchaseOut, 202: WaitingOut},
        moves_points=True,
    )
    def post(self, said: sales.SaleIn) -> Answer:
        """
        Record a purchase.

        Repeating the same reference with the same content answers 200 with the first result and the balance
        of now. A customer that nobody knows yet is 202: the purchase waits for them.
        """
        sale = sales.sale(said, key=self.key, at=self.at)
        return self.do(
            lambda: purchases.record_all(
                merchant=self.merchant,
                sales=[sale],
                at=self.at,
                by=self.by,
                program_id=sales.program(said),
            ),
            show=lambda receipts: self._answer(receipts[0].or_raise()),
        )

    @call(
        scopes=("purchases:write", "customers:read"),
        answers={200: PurchaseOut},
        filters=PurchaseFilters,
        orderings=("-id", "-occurred_at"),
    )
    def get(self) -> Answer:
        """List purchases, newest first."""
        return self.listed(
            Purchase.objects.filter(merchant=self.merchant),
            shape=self._shown,
        )

    def _shown(self, rows: list[Purchase]) -> list[dict[str, Any]]:
        stores.learn(self.merchant, {row.store_id for row in rows if row.store_id})
        return [sales.shown(self.merchant, vars(row)) for row in rows]

    def _answer(self, receipt: Receipt) -> Answer:
        return Answer(
            STATUS[receipt.status],
            sales.receipt(self.merchant, receipt),
            customer_id=receipt.row.get("customer_id"),
        )


class OnePurchase(Door):
    @call(scopes=("purchases:write", "customers:read"), answers={200: PurchaseOut})
    def get(self, purchase: str) -> Answer:
        """Read one purchase."""
        return Answer(200, sales.shown(self.merchant, vars(own(self, purchase))))


class Release(Door):
    @call(scopes=("purchases:write",), answers={200: PurchaseOut}, moves_points=True)
    def post(self, purchase: str) -> Answer:
        """
        Release a purchase's points.

        Points that wait for a release or a date can be used from now on. Repeating changes nothing.
        """
        number = fields.number("pur", purchase)
        return self.do(
            lambda: voids.release(merchant=self.merchant, purchase_id=number, at=self.at, by=self.by),
            show=lambda receipt: shown(self, receipt),
        )


class Void(Door):
    @call(scopes=("purchases:write",), body=ReferenceIn, answers={200: PurchaseOut}, moves_points=True)
    def post(self, said: ReferenceIn, purchase: str) -> Answer:
        """
        Void a purchase, as if it had not been.

        Every point it still counts for is taken back. Voiding a voided purchase answers the same.
        """
        number = fields.number("pur", purchase)
        return self.do(
            lambda: voids.void(
                merchant=self.merchant,
                purchase_id=number,
                reference=said.reference,
                at=self.at,
                by=self.by,
            ),
            show=lambda receipt: shown(self, receipt),
        )


class Calculate(Door):
    """What a sale would earn."""

    @call(scopes=("purchases:write",), body=sales.BasketIn, answers={200: CalculationOut})
    def post(self, said: sales.BasketIn) -> Answer:
        """
        Calculate what a sale would earn, and why.

        Nothing is saved. Takes what a purchase takes, without its reference.
        """
        receipt = purchases.calculate(
            merchant=self.merchant,
            sale=sales.sale(said, key=self.key, at=self.at),
            at=self.at,
            program_id=sales.program(said),
        )
        return self.keep(Answer(200, calculated(self, receipt)))


def calculated(door: Door, receipt: Receipt) -> dict[str, Any]:
    """
    Return what a sale would earn.

    :raises NotFound: nobody has this identifier
    """
    if receipt.status == "unmatched":
        raise fields.missing("/identifier")
    return {
        "points": sales.points(receipt.row),
        "why": reasons.shown(door.merchant, receipt.row),
        "basis_minor": receipt.row["basis_minor"],
        "tier": receipt.row["tier"] or None,
    }


def shown(door: Door, receipt: Receipt) -> Answer:
    """Answer a purchase that was changed."""
    return Answer(200, sales.receipt(door.merchant, receipt), customer_id=receipt.row.get("customer_id"))


def own(door: Door, said: str) -> Purchase:
    """
    Return the caller's purchase of this id.

    :raises NotFound: there is none, or it is another merchant's
    """
    found = Purchase.objects.filter(merchant=door.merchant, pk=fields.number("pur", said)).first()
    if found is None:
        raise fields.missing()
    return found
