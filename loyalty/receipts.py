"""What a command answers about one sale: the receipt a till prints from."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lib.errors import DomainError
from loyalty.sale import Sale

Row = dict[str, Any]


@dataclass(slots=True)
class Receipt:
    """
    One sale's answer.

    `status` is created, replayed, unmatched or rejected; `row` the purchase's columns; `balance` the
    account of now, as `GET /balance` answers it; `error` why a rejected one was refused.
    """

    status: str
    row: Row = field(default_factory=dict)
    balance: Row | None = None
    tier: str = ""
    error: DomainError | None = None

    @property
    def purchase_id(self) -> int:
        return int(self.row["id"])

    def or_raise(self) -> "Receipt":
        """Return the receipt; raise what refused it."""
        if self.error is not None:
            raise self.error
        return self


def line_rows(sale: Sale) -> list[Row]:
    """Return the lines of a sale as they are kept."""
    return [
        {
            "id": line.id,
            "kind": line.kind,
            "amount_minor": line.amount_minor,
            "quantity": line.quantity,
            "sku": line.sku,
            "name": line.name,
            "category": line.category,
            "tax_minor": line.tax_minor,
        }
        for line in sale.lines
    ]


def tender_rows(sale: Sale) -> list[Row]:
    return [
        {"kind": tender.kind, "amount_minor": tender.amount_minor, "ref": tender.ref}
        for tender in sale.tenders
    ]


def differences(row: Row, sale: Sale, *, customer_id: int | None) -> list[str]:
    """
    Return the fields in which a repeated sale differs from the first: the sent ones, identifiers resolved.
    """
    said: Row = {
        "currency": sale.currency,
        "amount_minor": sale.amount_minor,
        "occurred_at": sale.occurred_at,
        "lines": line_rows(sale),
        "tenders": tender_rows(sale),
        "tax_minor": sale.tax_minor,
        "store": sale.store_id,
        "till": sale.till,
        "staff_ref": sale.staff_ref,
        "channel": sale.channel,
        "basket": sale.basket,
    }
    names = said.keys() if sale.sent is None else sale.sent & said.keys()
    differ = [name for name in names if not _same(row["store_id" if name == "store" else name], said[name])]
    if (
        row["customer_id"] is not None
        and customer_id != row["customer_id"]
        and (sale.sent is None or sale.sent & {"customer", "identifier"})
    ):
        differ.append("customer" if sale.customer_id else "identifier")
    return sorted(set(differ))


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, datetime) and isinstance(second, datetime):
        # The database keeps microseconds; what was sent may say more.
        return abs((first - second).total_seconds()) < 0.001
    return bool(first == second)
