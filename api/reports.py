"""Reports: customer value and retention, as stored by the latest refresh; JSON, or a table as CSV."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from io import StringIO
from typing import Any

from pydantic import BaseModel, Field

from api.answers import Answer
from api.door import Door, call
from insights import churn, groups, reports
from lib.errors import Fault, Malformed, NotFound

SCOPES = ("reports:read",)
CSV = "text/csv; charset=utf-8"
AT_RISK = ("customer", "at_risk", "at_stake_minor", "predicted_minor", "historic_minor", "last_day")
GROUP = ("key", "customers", "historic_minor", "value_minor", "at_risk")


class ReportNotMade(NotFound):
    code = "report_not_made"


class ValueOut(BaseModel):
    """
    What customers were worth and are expected to be in the next 12 months, in minor units of `currency`.

    `status`: history_only (below 50 buyers or 20 who came back: nothing is predicted), early (a weak prior helps)
    or forecast. `backtest`: the same method on a past day against what came after it. `at_risk`: whom a message may
    still win, those with most at stake first.
    """

    as_of: date
    status: str
    method: str
    currency: str
    left_out_days: int = Field(description="Customer days in other currencies, which no figure counts.")
    lapse_days: int
    margin: float
    customers: int
    repeaters: int
    historic_minor: int
    predicted_minor: int | None
    remarks: list[str]
    groups: dict[str, list[dict[str, Any]]]
    backtest: dict[str, Any] | None
    at_risk: list[dict[str, Any]]


class ChurnOut(BaseModel):
    """
    Revenue of the same customers in a window against the window before it. `net_churn` is negative when those who
    stayed grew by more than was lost; shares are null for fewer than 30 customers. Groups of segments overlap.
    """

    as_of: date = Field(description="The last day of the window.")
    ends_on: date = Field(description="The first day after it.")
    days: int
    currency: str
    lapse_days: int
    method: str
    headline: str
    total: dict[str, Any]
    points_redeemed: int | None
    points_cost_minor: int | None
    groups: dict[str, list[dict[str, Any]]]


FORMAT = {"format": "json (default) or csv.", "by": "Which table the CSV has."}


class Clv(Door):
    @call(scopes=SCOPES, answers={200: ValueOut}, parameters=FORMAT)
    def get(self) -> Answer:
        """Read what customers are worth. As CSV: `by` is at_risk (default) or one of the groups."""
        told = reports.value(merchant=self.merchant)
        if told is None:
            raise ReportNotMade(
                "The reports of this merchant were not made yet: that happens within ten minutes."
            )
        told["at_risk"] = [{name: row[name] for name in AT_RISK} for row in told["at_risk"]]
        by = _choice(self, "by", ("at_risk", *groups.DIMENSIONS))
        if not _is_csv(self):
            return Answer(200, told)
        return (
            _table(told["at_risk"], AT_RISK) if by == "at_risk" else _table(told["groups"].get(by, ()), GROUP)
        )


class Churn(Door):
    @call(
        scopes=SCOPES,
        answers={200: ChurnOut},
        parameters={**FORMAT, "days": "365 (default) or 91.", "ends_on": "The first day after the window."},
    )
    def get(self) -> Answer:
        """Read negative churn and its parts. As CSV: `by` is total (default) or one of the groups."""
        length = int(_choice(self, "days", tuple(str(one) for one in churn.WINDOWS)))
        told = reports.retention(merchant=self.merchant, length=length, ends_on=_day(self))
        if told is None:
            raise ReportNotMade(
                "The reports of this merchant were not made yet: that happens within ten minutes."
            )
        by = _choice(self, "by", churn.DIMENSIONS)
        if not _is_csv(self):
            return Answer(200, told)
        rows = [{"key": "", **told["total"]}] if by == "total" else told["groups"].get(by, [])
        return _table(rows, ("key", *told["total"]))


def _choice(door: Door, name: str, known: tuple[str, ...]) -> str:
    said = door.request._request.GET.get(name, known[0])
    if said not in known:
        faults = [Fault(f"/query/{name}", "not_a_choice", f"one of {', '.join(known)}")]
        raise Malformed("A parameter cannot be understood.", faults=faults)
    return said


def _is_csv(door: Door) -> bool:
    return _choice(door, "format", ("json", "csv")) == "csv"


def _day(door: Door) -> date | None:
    said = door.request._request.GET.get("ends_on")
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        faults = [Fault("/query/ends_on", "not_a_date", "like 2026-12-31")]
        raise Malformed("A parameter cannot be understood.", faults=faults) from None


def _table(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Answer:
    text = StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows({name: _safe(row[name]) for name in names} for row in rows)
    return Answer(200, text.getvalue().encode(), content_type=CSV)


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is told as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
