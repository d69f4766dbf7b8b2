"""A sale as a till tells it. Plain data: doors make it, `loyalty.purchases` records it."""

from dataclasses import dataclass
from datetime import datetime

from customers.identifiers import Given
from loyalty.earning.base import EARNING_LINES, UNEARNING_TENDERS, Line, Tender

__all__ = ["Given", "Line", "Sale", "Tender"]


@dataclass(frozen=True, slots=True)
class Sale:
    """
    One sale. Amounts are minor units of `currency`; `reference` is the seller's own number.

    Say `customer_id` or an `identifier`. `aliases` are other numbers of the same sale. `sent` names the
    fields that were said: a repeat is compared on those; None compares all.
    """

    reference: str
    currency: str
    amount_minor: int
    occurred_at: datetime
    customer_id: int | None = None
    identifier: Given | None = None
    lines: tuple[Line, ...] = ()
    tenders: tuple[Tender, ...] = ()
    tax_minor: int | None = None
    store_id: int | None = None
    store: str = ""
    till: str = ""
    staff_ref: str = ""
    channel: str = ""
    basket: str = ""
    aliases: tuple[str, ...] = ()
    sent: frozenset[str] | None = None

    @property
    def told_lines(self) -> tuple[Line, ...]:
        """The lines; a sale told as one amount is one line of goods."""
        return self.lines or (Line("", self.amount_minor, tax_minor=self.tax_minor or 0),)

    @property
    def merchandise_minor(self) -> int:
        """The part of the sale that is goods and services, as it was charged."""
        if not self.lines:
            return self.amount_minor
        return sum(line.amount_minor for line in self.lines if line.kind in EARNING_LINES)

    @property
    def unearning_minor(self) -> int:
        """The part paid with points or a points voucher, which never earns."""
        return sum(tender.amount_minor for tender in self.tenders if tender.kind in UNEARNING_TENDERS)
