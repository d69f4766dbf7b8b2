"""What the rooms' `due.py` are written with: the oldest row that waits, cheaply."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

Ids = frozenset[int] | None


def whose(rows: "QuerySet[Any]", merchants: Ids) -> "QuerySet[Any]":
    """Return the rows of these merchants; None: everybody's."""
    return rows if merchants is None else rows.filter(merchant__in=merchants)


def earliest(rows: "QuerySet[Any]", field: str, *, by: str = "") -> datetime | None:
    """Return the time of the row that waits the longest; `by` names what an index has in order, if not the time."""
    return rows.order_by(by or field).values_list(field, flat=True).first()
