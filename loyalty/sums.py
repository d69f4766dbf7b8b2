"""
The sums of a membership (by day, by capped rule) given to another one, and taken back.

Nothing is counted twice: what one membership gets, the other no longer has.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lib import db
from loyalty.models import CustomerDay, RuleCount

Sums = dict[str, list[list[Any]]]

# Per table: its keys within a membership, and what is added.
TABLES: dict[str, tuple[type[Any], tuple[str, ...], tuple[str, ...]]] = {
    "days": (
        CustomerDay,
        ("day", "currency"),
        ("orders", "revenue_minor", "refunds_minor", "spend_minor", "points"),
    ),
    "counts": (RuleCount, ("rule", "period", "starts"), ("times", "points")),
}


@db.inside_transaction
def take_all(*, merchant_id: int, membership_id: int) -> Sums:
    """Take every sum away from a membership and return them as plain data: keys, then figures."""
    found: Sums = {}
    for name, (model, keys, figures) in TABLES.items():
        rows = model.objects.filter(merchant_id=merchant_id, membership_id=membership_id)
        found[name] = [[_plain(value) for value in row] for row in rows.values_list(*keys, *figures)]
        rows.delete()
    return found


@db.inside_transaction
def give(sums: Sums, *, merchant_id: int, membership_id: int) -> None:
    """Add these sums to those of a membership."""
    for name, (model, keys, figures) in TABLES.items():
        table = model._meta.db_table
        db.insert(
            model,
            [
                {
                    "merchant_id": merchant_id,
                    "membership_id": membership_id,
                    **dict(zip((*keys, *figures), _read(model, keys, row), strict=True)),
                }
                for row in sums.get(name, ())
            ],
            on_conflict=f"(merchant_id, membership_id, {', '.join(keys)}) DO UPDATE SET "
            + ", ".join(f"{figure} = {table}.{figure} + excluded.{figure}" for figure in figures),
        )


@db.inside_transaction
def take_back(sums: Sums, *, merchant_id: int, membership_id: int) -> Sums:
    """
    Take these sums away from a membership, and return what could be taken.

    Refunds may have taken some of it meanwhile: no figure falls below zero.
    """
    taken: Sums = {}
    for name, (model, keys, figures) in TABLES.items():
        rows = model.objects.filter(merchant_id=merchant_id, membership_id=membership_id)
        now = {
            tuple(_plain(value) for value in row[: len(keys)]): row[len(keys) :]
            for row in rows.values_list(*keys, *figures)
        }
        taken[name] = []
        for row in sums.get(name, ()):
            there = now.get(tuple(row[: len(keys)]))
            if there is not None:
                part = [_within(given, has) for given, has in zip(row[len(keys) :], there, strict=True)]
                taken[name].append([*row[: len(keys)], *part])
    give(_negative(taken), merchant_id=merchant_id, membership_id=membership_id)
    return taken


def _within(given: int, has: int) -> int:
    return min(given, max(has, 0)) if given > 0 else given


def _negative(sums: Sums) -> Sums:
    return {
        name: [
            [*row[: len(TABLES[name][1])], *(-figure for figure in row[len(TABLES[name][1]) :])]
            for row in rows
        ]
        for name, rows in sums.items()
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _read(model: type[Any], keys: Sequence[str], row: Sequence[Any]) -> list[Any]:
    ways: list[Callable[[Any], Any]] = [model._meta.get_field(key).to_python for key in keys]
    return [way(value) for way, value in zip(ways, row, strict=False)] + list(row[len(keys) :])
