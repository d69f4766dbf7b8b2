"""
The roll-forward: what a program owed its customers in points at the start of a period, what moved, what it owes now.

Pure. Every kind of entry stands on one line, so opening + lines = closing, to the point, whatever happened.
Usable points are net of what customers owe; pending ones are told beside them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

# The lines in their order, each with the kinds of entries on it.
LINES: dict[str, tuple[str, ...]] = {
    "issued": ("earn", "bonus"),
    "activated": ("activate",),
    "redeemed": ("redeem", "hold_capture"),
    "expired": ("expire",),
    "reinstated": ("reinstate", "extend"),
    "clawed_back": ("clawback",),
    "returned": ("return", "refund"),
    "adjusted": ("adjust",),
    "written_off": ("write_off",),
    "transferred": ("transfer_in", "transfer_out"),
    "merged": ("merge_in", "merge_out"),
}
_LINE_OF = {kind: line for line, kinds in LINES.items() for kind in kinds}


class Moved(Protocol):
    """What is added up: see `insights.points.Movement`."""

    @property
    def day(self) -> date | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def points(self) -> int: ...
    @property
    def pending(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Amount:
    """Usable points, net of debt, and pending ones."""

    points: int = 0
    pending: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.points + other.points, self.pending + other.pending)


@dataclass(frozen=True, slots=True)
class Forward:
    """A period: `lines` in the order of LINES, and the lines of each day on which something moved."""

    opening: Amount
    lines: dict[str, Amount]
    closing: Amount
    days: dict[date, dict[str, Amount]]


def roll(moved: Iterable[Moved]) -> Forward:
    """
    Add up what moved. Without a day it moved before the period: that is the opening.

    :raises KeyError: an entry's kind stands on no line
    """
    opening, lines, days = Amount(), dict.fromkeys(LINES, Amount()), dict[date, dict[str, Amount]]()
    for one in moved:
        line, amount = _LINE_OF[one.kind], Amount(one.points, one.pending)
        if one.day is None:
            opening += amount
            continue
        lines[line] += amount
        day = days.setdefault(one.day, {})
        day[line] = day.get(line, Amount()) + amount
    return Forward(opening, lines, sum(lines.values(), opening), days)
