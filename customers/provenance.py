"""Who wrote each of a customer's fields last, and when: what is older never overwrites what is newer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from customers.models import Customer

FIELDS = ("name", "birthday", "language")


def write(customer: Customer, values: Mapping[str, str], *, at: datetime, by: str) -> None:
    """Set these fields, without saving, and keep who said so and when."""
    for name, value in values.items():
        setattr(customer, name, value)
    said = {"at": at.isoformat(), "by": by}
    customer.written = {**customer.written, **dict.fromkeys(values, said)}


def written_at(customer: Customer, name: str) -> datetime | None:
    """Return when a field was said last; None for one that nobody ever said."""
    said: dict[str, Any] | None = customer.written.get(name)
    if said:
        return datetime.fromisoformat(said["at"])
    return customer.created_at if getattr(customer, name) else None


def newer(customer: Customer, values: Mapping[str, str], *, at: datetime) -> dict[str, str]:
    """Return those of `values`, said at this time, that are news and that nobody overwrote since."""
    found = {}
    for name, value in values.items():
        before = written_at(customer, name)
        if value != getattr(customer, name) and (before is None or at > before):
            found[name] = value
    return found
