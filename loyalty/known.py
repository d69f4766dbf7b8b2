"""What was said before: purchases found again by any of their references."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from lib import db
from loyalty.models import Purchase, Reference

Row = dict[str, Any]

COLUMNS = tuple(field.column for field in Purchase._meta.local_concrete_fields if field.column)
_TIMES = ("activates_at", "occurred_at", "recorded_at")
_JSON = ("lines", "tenders", "why", "refunded_lines")
_PICK = ", ".join(f'p."{name}"' for name in COLUMNS)


def ask_references(*, merchant_id: int, source: str, references: Sequence[str]) -> db.Answer:
    """
    Ask which of these references were said before: (reference, kind, target) of purchases, and of `parked`,
    the purchases that a refund waits for. Rarely any, so only the references are looked at; those of other
    kinds come along: naming two kinds would look for each reference twice.
    """
    wanted, params = db.any_of("r.reference", "text", references)
    return db.look(
        f"""
        SELECT r.reference, r.kind, r.target_id FROM loyalty_reference r
        WHERE r.merchant_id = %s AND r.source = %s AND {wanted}
        """,
        [merchant_id, source, *params],
    )


def purchases(answer: db.Answer, *, merchant_id: int) -> dict[str, Row]:
    """Return the purchases that `ask_references` found, by reference."""
    targets = {reference: target for reference, kind, target in answer.rows if kind == "purchase"}
    if not targets:
        return {}
    rows = read(ask_locked(merchant_id=merchant_id, purchases=sorted(set(targets.values()))))
    return {reference: rows[target] for reference, target in targets.items()}


def parked(answer: db.Answer, *, merchant_id: int, source: str) -> list[tuple[Any, ...]]:
    """Return the refunds that wait for the purchases that `ask_references` found, oldest first."""
    references = [reference for reference, kind, _ in answer.rows if kind == "parked"]
    if not references:
        return []
    wanted, params = db.any_of("f.purchase_reference", "text", references)
    return db.ask(
        f"""
        SELECT f.id, f.purchase_reference, f.reference, f.amount_minor, f.lines, f.occurred_at
        FROM loyalty_refund f
        WHERE f.merchant_id = %s AND f.source = %s AND f.status = 'parked' AND {wanted} ORDER BY f.id
        """
        + db.for_update("f"),
        [merchant_id, source, *params],
    ).rows


def ask_locked(*, merchant_id: int, purchases: Iterable[int]) -> db.Answer:
    """Ask for purchases by id and lock them, in the order of their ids."""
    wanted, params = db.any_of("p.id", "bigint", list(purchases))
    return db.ask(
        f"SELECT p.id, {_PICK} FROM loyalty_purchase p WHERE p.merchant_id = %s AND {wanted} ORDER BY p.id"
        + db.for_update("p"),
        [merchant_id, *params],
    )


def read(answer: db.Answer) -> dict[Any, Row]:
    """Return purchase rows by what they were asked for."""
    return {row[0]: _row(row[1:]) for row in answer.rows}


def _row(values: Sequence[Any]) -> Row:
    row = dict(zip(COLUMNS, values, strict=True))
    for name in _TIMES:
        row[name] = db.time(row[name])
    for name in _JSON:
        row[name] = db.loaded(row[name])
    return row


def reference_row(
    *, merchant_id: int, source: str, kind: str, reference: str, target_id: int, at: datetime
) -> Row:
    """Return the row that keeps a reference for ever."""
    return {
        "merchant_id": merchant_id,
        "source": source,
        "kind": kind,
        "reference": reference,
        "target_id": target_id,
        "created_at": at,
    }


@db.inside_transaction
def remember(rows: Sequence[Row]) -> None:
    """
    Keep these references. One that somebody else took since we looked is a lost race: the unique key
    refuses it and the command is run again, to find what the other one wrote.
    """
    db.insert(Reference, rows)


@db.inside_transaction
def expect(references: Iterable[str], *, merchant_id: int, source: str, at: datetime) -> None:
    """Mark that refunds wait for purchases of these references, so that such a purchase looks for them."""
    db.insert(
        Reference,
        [
            reference_row(
                merchant_id=merchant_id, source=source, kind="parked", reference=reference, target_id=0, at=at
            )
            for reference in sorted(references)
        ],
        on_conflict="DO NOTHING",
    )
