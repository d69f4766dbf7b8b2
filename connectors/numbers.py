"""Which numbers mean one sale: Stripe's session, payment, charge and invoice, linked by separate messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from connectors.models import SaleLink
from lib import db


@dataclass(slots=True)
class Filed:
    """A purchase on file under one of the numbers."""

    id: int
    status: str
    refunded_minor: int
    customer_id: int | None
    names: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Family:
    """All numbers of one sale that are known to belong together, and the purchases filed under them."""

    ids: set[str]
    filed: dict[int, Filed] = field(default_factory=dict)

    @property
    def purchase(self) -> Filed | None:
        """The purchase to act on: of several the first that was not voided."""
        good = [one for one in self.filed.values() if one.status != "voided"]
        return min(good or self.filed.values(), key=lambda one: one.id, default=None)

    @property
    def unfiled(self) -> list[str]:
        """The numbers by which nobody would find the purchase yet."""
        names = {name for one in self.filed.values() for name in one.names}
        return sorted(self.ids - names)


@db.command
def link(*, merchant_id: int, connection_id: int, families: Iterable[Sequence[str]]) -> None:
    """Remember that the numbers of each family are of one sale. Repeating changes nothing."""
    pairs = {
        pair for first, *others in families for other in others for pair in ((first, other), (other, first))
    }
    rows = [
        {"merchant_id": merchant_id, "connection_id": connection_id, "one": one, "other": other}
        for one, other in sorted(pairs)  # one order for all workers, so that no two deadlock
    ]
    db.insert(SaleLink, rows, on_conflict="DO NOTHING")


def families(*, merchant_id: int, connection_id: int, source: str, ids: Iterable[str]) -> dict[str, Family]:
    """Return the family of each number, with the purchases on file; one statement for all."""
    given, params = db.given({"id": "varchar"}, [(one,) for one in ids])
    rows = db.ask(
        f"""
        WITH RECURSIVE family(start, id) AS (
            SELECT given.id, given.id FROM {given}
            UNION
            SELECT f.start, l.other FROM family f
            JOIN connectors_salelink l ON l.merchant_id = %s AND l.connection_id = %s AND l.one = f.id
        )
        SELECT f.start, f.id, p.id, p.status, p.refunded_minor, p.customer_id
        FROM family f
        LEFT JOIN loyalty_reference r ON r.merchant_id = %s AND r.source = %s AND r.kind = 'purchase'
             AND r.reference = f.id
        LEFT JOIN loyalty_purchase p ON p.id = r.target_id
        """,
        [*params, merchant_id, connection_id, merchant_id, source],
    ).rows
    found: dict[str, Family] = {}
    for start, name, purchase_id, status, refunded_minor, customer_id in rows:
        family = found.setdefault(start, Family({start}))
        family.ids.add(name)
        if purchase_id is not None:
            filed = family.filed.setdefault(
                purchase_id, Filed(purchase_id, status, refunded_minor, customer_id)
            )
            filed.names.add(name)
    return found
