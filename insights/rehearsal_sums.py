"""What a rehearsal adds up: customer by customer, in memory that does not grow with the number of sales."""

import heapq
from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from math import sqrt
from statistics import quantiles
from typing import Any

from insights.replay import MONTH, Ledger, Life
from loyalty.plan import Tiers

MOST_SHOWN = 20
SURE = 1.96  # 95 of 100 samples hold the true figure between the limits
MOVEMENTS = ("issued", "taken_back", "spent", "expired", "other")


@dataclass(slots=True)
class Sums:
    """
    The program in force (`old`) beside the draft (`new`). `sales` of which `reproduced` earn in the rehearsal
    what they really earned.
    """

    old: Ledger
    new: Ledger
    sales: int = 0
    reproduced: int = 0
    members: int = 0
    differences: "array[int]" = field(default_factory=lambda: array("q"))
    gained: list[int] = field(default_factory=lambda: [0, 0])
    outstanding: list[int] = field(default_factory=lambda: [0, 0])
    owed: list[int] = field(default_factory=lambda: [0, 0])
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    best: list[tuple[int, int, int]] = field(default_factory=list)
    worst: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, old: Life, new: Life) -> None:
        """Count one customer, lived under both."""
        self.members += 1
        difference = new.gained - old.gained
        self.differences.append(difference)
        for place, life in enumerate((old, new)):
            self.gained[place] += life.gained
            self.outstanding[place] += life.account.active + life.account.pending
            self.owed[place] += life.account.debt
        self.moves[old.tier, new.tier] += 1
        one = (abs(difference), old.customer_id, old.gained)
        if difference:
            _keep(self.best if difference > 0 else self.worst, one)

    def figures(self, *, of: int, cost_minor: tuple[Decimal, Decimal]) -> dict[str, Any]:
        """
        Return everything as plain data. Of `of` members some may have been drawn: sums are those of all,
        estimated, with the limits of the difference.
        """
        scale = of / self.members if self.members else 1.0
        return {
            "members": of,
            "drawn": self.members,
            "sales": self.sales,
            "reproduced": self.reproduced,
            "points": self._points(of, scale),
            "rules": self._rules(scale),
            "months": self._months(scale, cost_minor),
            "cost_minor": self._money(self.gained, cost_minor, scale),
            "outstanding": [round(points * scale) for points in self.outstanding],
            "liability_minor": self._money(
                self.outstanding, (self.old.plan.point_value_minor, self.new.plan.point_value_minor), scale
            ),
            "debt": [round(points * scale) for points in self.owed],
            "short": [round(ledger.short * scale) for ledger in (self.old, self.new)],
            "customers": self._customers(scale),
            "tiers": self._tiers(scale),
        }

    def _points(self, of: int, scale: float) -> dict[str, Any]:
        difference = (self.gained[1] - self.gained[0]) * scale
        found: dict[str, Any] = {
            "old": round(self.gained[0] * scale),
            "new": round(self.gained[1] * scale),
            "difference": round(difference),
        }
        count = self.members
        if 1 < count < of:
            mean = sum(self.differences) / count
            spread = sum((one - mean) ** 2 for one in self.differences) / (count - 1)
            half = SURE * of * sqrt(spread / count * (1 - count / of))
            found |= {"low": round(difference - half), "high": round(difference + half)}
        return found

    def _rules(self, scale: float) -> list[dict[str, Any]]:
        codes = list(dict.fromkeys((*self.old.rules, *self.new.rules)))
        return [
            {
                "rule": code,
                "points": [round(one.rules[code] * scale) for one in (self.old, self.new)],
                "times": [round(one.times[code] * scale) for one in (self.old, self.new)],
            }
            for code in sorted(codes)
        ]

    def _months(self, scale: float, cost_minor: tuple[Decimal, Decimal]) -> list[dict[str, Any]]:
        rows = []
        for month in sorted({*self.old.months, *self.new.months}):
            both = [one.months.get(month, Counter()) for one in (self.old, self.new)]
            net = [row["issued"] + row["taken_back"] for row in both]
            rows.append(
                {
                    "month": month,
                    **{name: [round(row[name] * scale) for row in both] for name in MOVEMENTS},
                    "cost_minor": self._money(net, cost_minor, scale),
                }
            )
        return rows

    @staticmethod
    def _money(points: list[int], worth: tuple[Decimal, Decimal], scale: float) -> list[int]:
        return [
            int((Decimal(round(one * scale)) * each).to_integral_value(ROUND_HALF_EVEN))
            for one, each in zip(points, worth, strict=True)
        ]

    def _customers(self, scale: float) -> dict[str, Any]:
        found = self.differences
        gain, lose = sum(1 for one in found if one > 0), sum(1 for one in found if one < 0)
        quarters = [round(one) for one in quantiles(found, n=4, method="inclusive")] if len(found) > 1 else []
        return {
            "gain": round(gain * scale),
            "lose": round(lose * scale),
            "same": round((len(found) - gain - lose) * scale),
            "quarters": [min(found), *quarters, max(found)] if quarters else [],
            "most_gain": _shown(self.best, 1),
            "most_lose": _shown(self.worst, -1),
        }

    def _tiers(self, scale: float) -> dict[str, Any]:
        now, then = self.old.plan.tiers, self.new.plan.tiers
        moves: list[dict[str, Any]] = [
            {"from": old, "to": new, "customers": round(count * scale), "is_up": _is_up(now, then, old, new)}
            for (old, new), count in self.moves.items()
        ]
        moves.sort(key=lambda move: (now.rank(move["from"]), then.rank(move["to"])))
        moved = [move for move in moves if move["from"] != move["to"]]
        return {
            "old": [level.name for level in now.levels],
            "new": [level.name for level in then.levels],
            "moves": moves,
            "up": sum(move["customers"] for move in moved if move["is_up"]),
            "down": sum(move["customers"] for move in moved if not move["is_up"]),
        }


def months_between(first: datetime, last: datetime, ledger: Ledger) -> None:
    """Make a row for each month, also for those in which nothing happened."""
    day, end = ledger.plan.local(first).date().replace(day=1), ledger.plan.local(last).date()
    while day <= end:
        ledger.months.setdefault(day.strftime(MONTH), Counter())
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _is_up(now: Tiers, then: Tiers, old: str, new: str) -> bool:
    """Tell whether a move is to a higher place: levels of one name are equal, whatever they ask."""
    was = then.level(old) or now.level(old)
    will = then.level(new)
    return (will.at if will else -1) > (was.at if was else -1)


def _keep(most: list[tuple[int, int, int]], one: tuple[int, int, int]) -> None:
    if len(most) < MOST_SHOWN:
        heapq.heappush(most, one)
    else:
        heapq.heappushpop(most, one)


def _shown(most: list[tuple[int, int, int]], sign: int) -> list[dict[str, int]]:
    return [
        {"customer": customer, "old": old, "new": old + sign * by} for by, customer, old in sorted(most)[::-1]
    ]
