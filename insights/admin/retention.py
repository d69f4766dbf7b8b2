"""Negative churn: what the same customers spend now against before, in parts, by group and by cohort."""

from collections import defaultdict
from datetime import date
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext as say

from customers.models import Segment
from insights import churn, reports
from insights.admin.page import ReportAdmin, choices, percent, shown
from insights.models import CohortMonth, RetentionSnapshot
from lib.charts import PERCENT, Drawing, in_money
from merchants.models import Merchant, Store

MONTHS = 12


@admin.register(RetentionSnapshot)
class RetentionSnapshotAdmin(ReportAdmin):
    menu_order, icon = 20, "autorenew"
    report_template = "admin/insights/retention.html"

    def told(self, request: HttpRequest, merchant: Merchant) -> dict[str, Any] | None:
        length, by = self._length(request), self._by(request)
        ends_on = _day(request.GET.get("ends_on", ""))
        told = reports.retention(merchant=merchant, length=length, ends_on=ends_on)
        if told is None:
            return None
        total, currency = told["total"], told["currency"]
        cohorts = churn.curve(merchant=merchant)
        history = churn.trend(merchant=merchant, length=length)
        return {
            **told,
            "is_negative": total["net_churn"] is not None and total["net_churn"] < 0,
            "figures": [
                (say("Net churn"), percent(total["net_churn"]), say("negative is good")),
                (say("Net revenue retention"), percent(total["net_retention"]), ""),
                (say("Gross revenue retention"), percent(total["gross_retention"]), ""),
                (
                    say("Customer churn"),
                    percent(total["customer_churn"]),
                    say("of %(count)s customers") % {"count": f"{total['base_customers']:,}"},
                ),
            ],
            "with_returned": percent(total["net_churn_with_returned"]),
            "points_cost": shown(told["points_cost_minor"], currency),
            "lengths": choices({"365": say("365 days"), "91": say("91 days")}, str(length)),
            "choices": choices({one.value: one.label for one in _dimensions()}, by),
            "ends_on": ends_on.isoformat() if ends_on else "",
            "waterfall": _waterfall(total, currency),
            "trend": _trend(history) if len(history) > 1 else None,
            "groups": self._groups(merchant, told, by),
            "cohort_map": _map(cohorts) if cohorts else None,
            "cohort_curve": _curve(cohorts) if cohorts else None,
        }

    def table(self, request: HttpRequest, merchant: Merchant) -> list[dict[str, Any]]:
        ends_on = _day(request.GET.get("ends_on", ""))
        told = reports.retention(merchant=merchant, length=self._length(request), ends_on=ends_on)
        if told is None:
            return []
        return [{"key": "", **told["total"]}, *told["groups"].get(self._by(request), [])]

    def _length(self, request: HttpRequest) -> int:
        return 91 if request.GET.get("days") == "91" else 365

    def _by(self, request: HttpRequest) -> str:
        said = request.GET.get("by", "")
        return said if said in {one.value for one in _dimensions()} else "tier"

    def _groups(self, merchant: Merchant, told: dict[str, Any], by: str) -> list[dict[str, Any]]:
        names = {}
        if by == "segment":
            names = dict(Segment.objects.filter(merchant=merchant).values_list("code", "name"))
        elif by == "store":
            names = dict(Store.objects.filter(merchant=merchant).values_list("code", "name"))
        return [
            {
                "name": names.get(row["key"], row["key"]) or say("None"),
                "customers": f"{row['base_customers']:,}",
                "start": shown(row["start"], told["currency"]),
                "net_churn": percent(row["net_churn"]),
                "is_negative": row["net_churn"] is not None and row["net_churn"] < 0,
                "net_retention": percent(row["net_retention"]),
                "gross_retention": percent(row["gross_retention"]),
                "customer_churn": percent(row["customer_churn"]),
            }
            for row in told["groups"].get(by, [])[:50]
        ]


def _dimensions() -> list[RetentionSnapshot.Dimension]:
    return [one for one in RetentionSnapshot.Dimension if one != "total"]


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        return None


def _waterfall(total: dict[str, Any], currency: str) -> Drawing:
    """Draw the parts as steps from the revenue before to the base's revenue now, and beyond it to all of it."""
    lost = total["lapsed"] + total["paused"]
    kept = total["start"] + total["expansion"] - total["contraction"] - lost
    steps = [
        (say("Before"), total["start"], "$fill", False),
        (say("Grown"), total["expansion"], "$good", True),
        (say("Shrunk"), -total["contraction"], "$bad", True),
        (say("Lost"), -lost, "$bad", True),
        (say("The same customers now"), kept, "$fill", False),
        (say("Came back"), total["returned"], "$good", True),
        (say("New"), total["new"], "$good", True),
        (say("Now"), total["now"], "$fill", False),
    ]
    below, level = [], 0
    for _name, amount, _color, is_step in steps:
        below.append(min(level, level + amount) if is_step else 0)
        level = level + amount if is_step else amount
    bars = [{"value": abs(amount), "itemStyle": {"color": color}} for _, amount, color, _ in steps]
    hidden = {"silent": True, "itemStyle": {"color": "transparent"}, "tooltip": {"show": False}}
    words = {"interval": 0, "width": 76, "overflow": "break", "hideOverlap": False, "lineHeight": 14}
    return Drawing(
        spot="waterfall",
        title=say("What became of the revenue"),
        option={
            "xAxis": {"type": "category", "data": [name for name, *_ in steps], "axisLabel": words},
            "yAxis": {"type": "value"},
            "series": [
                {"type": "bar", "stack": "all", "data": below, **hidden},
                {"type": "bar", "stack": "all", "data": bars},
            ],
        },
        head=[say("Part"), say("Revenue")],
        rows=[[name, shown(amount, currency)] for name, amount, *_ in steps],
        unit=in_money(currency),
    )


def _trend(rows: list[RetentionSnapshot]) -> Drawing:
    days = [date_format(row.ends_on, "SHORT_DATE_FORMAT") for row in rows]
    first = churn.begins(merchant=rows[0].merchant) if rows else None
    told = [reports.figures(row.parts, is_covered=row.is_covered(first)) for row in rows]
    lines = {say("Net revenue retention"): "net_retention", say("Gross revenue retention"): "gross_retention"}
    return Drawing(
        spot="trend",
        title=say("Retention over time"),
        option={
            "legend": {},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "category", "data": days},
            "yAxis": {"type": "value", "scale": True},
            "series": [
                {"type": "line", "name": name, "data": [one[key] for one in told]}
                for name, key in lines.items()
            ],
        },
        head=[say("Window until"), *lines],
        rows=[
            [day, *(percent(one[key]) for key in lines.values())] for day, one in zip(days, told, strict=True)
        ],
        unit=PERCENT,
    )


def _by_cohort(rows: list[CohortMonth]) -> dict[date, dict[int, CohortMonth]]:
    found: dict[date, dict[int, CohortMonth]] = defaultdict(dict)
    for row in rows:
        found[row.joined][row.after] = row
    return dict(list(found.items())[-MONTHS - 1 :])


def _map(rows: list[CohortMonth]) -> Drawing:
    """Draw how many of those who first bought in a month bought again in each month after it."""
    cohorts = _by_cohort(rows)
    names = [date_format(joined, "M Y") for joined in cohorts]
    last = max(joined.year * 12 + joined.month + max(months) for joined, months in cohorts.items())
    points, table = [], []
    for place, (joined, months) in enumerate(cohorts.items()):
        size = months[0].customers if 0 in months else 0
        line = [names[place], f"{size:,}"]
        for after in range(1, MONTHS + 1):
            if joined.year * 12 + joined.month + after > last or not size:
                line.append("")
                continue
            share = (months[after].customers if after in months else 0) / size
            points.append([after - 1, place, round(share, 4)])
            line.append(percent(share, 0))
        table.append(line)
    months_after = [str(after) for after in range(1, MONTHS + 1)]
    most = max((share for *_, share in points), default=1)
    return Drawing(
        spot="cohorts",
        title=say("Who came back, by month of the first purchase"),
        option={
            "xAxis": {"type": "category", "data": months_after},
            "yAxis": {"type": "category", "data": names, "inverse": True},
            "visualMap": {
                "show": False,
                "min": 0,
                "max": max(most, 0.01),
                "inRange": {"color": ["$fill"], "colorAlpha": [0.04, 0.55]},
            },
            "series": [
                {"type": "heatmap", "label": {"show": len(points) <= 90, "fontSize": 10}, "data": points}
            ],
        },
        head=[say("First bought in"), say("Buyers"), *months_after],
        rows=table,
        note=say("Share of the buyers of a month who bought again so many months later."),
        is_tall=True,
        unit=PERCENT,
    )


def _curve(rows: list[CohortMonth]) -> Drawing:
    """Draw the revenue of each month after joining over that of the first three, all cohorts together."""
    cohorts = _by_cohort(rows)
    last = max(joined.year * 12 + joined.month + max(months) for joined, months in cohorts.items())
    shares: list[float | None] = []
    for after in range(MONTHS + 1):
        revenue = first = 0
        for joined, months in cohorts.items():
            if joined.year * 12 + joined.month + max(after, 2) <= last:
                revenue += months[after].revenue_minor if after in months else 0
                first += sum(months[one].revenue_minor for one in range(3) if one in months)
        shares.append(revenue / (first / 3) if first > 0 else None)
    names = [str(after) for after in range(MONTHS + 1)]
    return Drawing(
        spot="curve",
        title=say("Revenue of a cohort, month by month"),
        option={
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "category", "data": names},
            "yAxis": {"type": "value"},
            "series": [{"type": "line", "name": say("Revenue"), "data": shares}],
        },
        head=[say("Months after the first purchase"), say("Revenue")],
        rows=[[name, percent(share, 0)] for name, share in zip(names, shares, strict=True)],
        note=say("Each month's revenue against the average of a cohort's first three months."),
        unit=PERCENT,
    )
