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


def ask_purchases(*, merchant_id: int, source: str, references: Iterable[str]) -> db.Answer:
    """Ask for the purchases that have one of these references; usable inside `together()`."""
    given, params = db.given({"reference": "varchar"}, [(text,) for text in references])
    return db.ask(
        f"""
        SELECT r.reference, {_PICK}
        FROM {given}
        JOIN loyalty_reference r ON r.merchant_id = %s AND r.source = %s AND r.kind = 'purchase'
             AND r.reference = given.reference
        JOIN loyalty_purchase p ON p.id = r.target_id
        """,
        [*params, merchant_id, source],
    )


def ask_locked(*, merchant_id: int, purchases: Iterable[int]) -> db.Answer:
    """Ask for purchases by id and lock them, in the order of their ids."""
    given, params = db.given({"id": "bigint"}, [(number,) for number in purchases])
    return db.ask(
        f"SELECT p.id, {_PICK} FROM loyalty_purchase p "
        f"WHERE p.merchant_id = %s AND p.id IN (SELECT given.id FROM {given}) ORDER BY p.id"
        + db.for_update("p"),
        [merchant_id, *params],
    )


def ask_parked(*, merchant_id: int, source: str, references: Iterable[str]) -> db.Answer:
    """Ask for the refunds that wait for one of these purchase references, oldest first."""
    given, params = db.given({"reference": "varchar"}, [(text,) for text in references])
    return db.ask(
        f"""
        SELECT f.id, f.purchase_reference, f.reference, f.amount_minor, f.lines, f.occurred_at
        FROM {given}
        JOIN loyalty_refund f ON f.merchant_id = %s AND f.source = %s AND f.status = 'parked'
             AND f.purchase_reference = given.reference
        ORDER BY f.id
        """,
        [*params, merchant_id, source],
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
