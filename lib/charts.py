"""
A chart of a report: what to draw, and the table that says the same in words.

`static/loyalty/charts.js` draws `option` (Apache ECharts, vendored) where there are scripts; the table is there
for everybody. A template shows one with `{% include "admin/drawing.html" with chart=chart %}`, and loads
`admin/drawing_scripts.html` once, in its block `extrahead`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lib import money


@dataclass(frozen=True, slots=True)
class Drawing:
    """
    `spot` is the chart's id on its page, `option` an ECharts option with colors as tokens ("$fill", "$good").
    `head` and `rows` are the table, as people read it; numbers are already words there.
    """

    spot: str
    title: str
    option: dict[str, Any]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    is_tall: bool = False
    unit: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> dict[str, Any]:
        """What the script reads."""
        return {**self.option, "unit": self.unit}


PERCENT = {"style": "percent"}


def in_money(currency: str) -> dict[str, Any]:
    """Return the unit of values in minor units of a currency."""
    return {"style": "currency", "currency": currency, "digits": money.minor_digits(currency)}
