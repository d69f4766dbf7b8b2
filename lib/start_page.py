"""
The first page after signing in. Rooms add to it: `@figures("loyalty.view_purchase")` above a function of
the reached merchants' ids (None: all) that returns figures; the same for charts, alerts and steps.

A part is asked only when the reader has its permission somewhere, and only for the merchants where they
have it. What it says is kept for a minute per set of merchants: keep each part cheap and bounded.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from lib.admin import Ids, merchants_where

KEEP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    value: str
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: str
    percent: int

    @property
    def top(self) -> int:
        return 100 - self.percent


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars beside their labels; with `is_columns` columns side by side, for days. A table stands behind both."""

    title: str
    bars: list[Bar] = field(default_factory=list)
    empty: str = ""
    is_columns: bool = False


@dataclass(frozen=True, slots=True)
class Alert:
    text: str
    count: str
    link: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search box of a list, for what is looked up all day."""

    label: str
    link: str
    example: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of setting up. The list is shown until every step is done."""

    text: str
    is_done: bool
    link: str = ""
    note: str = ""


Part = Callable[[Ids], Iterable[Any]]
_parts: dict[str, list[tuple[int, str, Part]]] = {
    kind: [] for kind in ("searches", "figures", "charts", "alerts", "steps")
}


def part(kind: str, *, permission: str, order: int = 50) -> Callable[[Part], Part]:
    """Add a function's `searches`, `figures`, `charts`, `alerts` or `steps` to the start page."""

    def add(says: Part) -> Part:
        _parts[kind].append((order, permission, says))
        _parts[kind].sort(key=lambda entry: entry[0])
        return says

    return add


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the admin's index with what every room says about the reader's merchants."""
    reach = {
        permission: merchants_where(request.user, permission)
        for entries in _parts.values()
        for _order, permission, _says in entries
    }
    key = f"start:{translation.get_language()}:{_name(reach)}"
    start = cache.get(key)
    if start is None:
        start = {
            kind: [
                row
                for _order, permission, says in entries
                if reach[permission] is None or reach[permission]
                for row in says(reach[permission])
            ]
            for kind, entries in _parts.items()
        }
        cache.set(key, start, KEEP_SECONDS)
    start["steps_done"] = sum(step.is_done for step in start["steps"])
    if start["steps_done"] == len(start["steps"]):
        start["steps"] = []
    return {**context, "start": start, "title": _("Start")}


def _name(reach: dict[str, Ids]) -> str:
    shown = (
        f"{permission}={'all' if ids is None else '.'.join(map(str, sorted(ids)))}"
        for permission, ids in sorted(reach.items())
    )
    return sha256(";".join(shown).encode()).hexdigest()
