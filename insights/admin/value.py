"""What customers are worth: so far, and in the year to come; whom a message may still win."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers.models import Customer, Segment
from insights import reports
from insights.admin.page import ReportAdmin, choices, percent, shown
from insights.models import Band, ClvRun, Lifecycle
from lib.admin import link_to
from lib.charts import Drawing, in_money
from loyalty.rfm import NAMES
from merchants.models import Merchant

BY = {
    "lifecycle": _("Lifecycle"),
    "band": _("Value"),
    "tier": _("Tier"),
    "segment": _("Segment"),
    "persona": _("Persona"),
    "cohort": _("Year of the first purchase"),
    "rfm": _("RFM group"),
}
REMARKS = {
    "no_lapse_signal": _("Nothing in the purchases says that customers leave: all are taken to stay."),
    "correlated": _("Those who buy often spend more (or less) each time: take single forecasts with care."),
    "spend_by_mean": _("Too few repeat purchases to model spending: an average is used."),
}


@admin.register(ClvRun)
class ClvRunAdmin(ReportAdmin):
    menu_order, icon = 10, "monitoring"
    report_template = "admin/insights/value.html"

    def told(self, request: HttpRequest, merchant: Merchant) -> dict[str, Any] | None:
        told = reports.value(merchant=merchant)
        if told is None:
            return None
        by = self._by(request)
        rows = told["groups"].get(by, [])
        return {
            **told,
            "historic": shown(told["historic_minor"], told["currency"]),
            "predicted": shown(told["predicted_minor"], told["currency"]),
            "at_risk_count": sum(row["at_risk"] for row in told["groups"].get("lifecycle", [])),
            "margin_words": percent(told["margin"]),
            "remark_words": [REMARKS[one] for one in told["remarks"] if one in REMARKS],
            "choices": choices(BY, by),
            "by": BY[by],
            "group_chart": self._groups(merchant, by, rows, told["currency"]) if rows else None,
            "calibration": _calibration(told["backtest"]) if told["backtest"] else None,
            "accuracy": _accuracy(told["backtest"]) if told["backtest"] else None,
            "people": self._people(merchant, told),
        }

    def table(self, request: HttpRequest, merchant: Merchant) -> list[dict[str, Any]]:
        told = reports.value(merchant=merchant)
        if told is None:
            return []
        if request.GET.get("table") == "at_risk":
            return [{name: row[name] for name in row if name != "customer_id"} for row in told["at_risk"]]
        return list(told["groups"].get(self._by(request), []))

    def _by(self, request: HttpRequest) -> str:
        said = request.GET.get("by", "")
        return said if said in BY else "lifecycle"

    def _groups(self, merchant: Merchant, by: str, rows: list[dict[str, Any]], currency: str) -> Drawing:
        words = _words(merchant, by)
        names = [str(words.get(row["key"], row["key"] or say("None"))) for row in rows]
        bars = {say("So far"): "historic_minor", say("Next 12 months"): "value_minor"}
        return Drawing(
            spot="groups",
            title=say("Customer value by %(by)s") % {"by": str(BY[by]).lower()},
            option={
                "legend": {},
                "tooltip": {"trigger": "axis"},
                "xAxis": {"type": "category", "data": names},
                "yAxis": {"type": "value"},
                "series": [
                    {"type": "bar", "name": name, "data": [row[key] for row in rows]}
                    for name, key in bars.items()
                ],
            },
            head=[str(BY[by]), say("Buyers"), say("At risk"), *bars, say("Next 12 months, each")],
            rows=[
                [
                    name,
                    f"{row['customers']:,}",
                    f"{row['at_risk']:,}",
                    shown(row["historic_minor"], currency),
                    shown(row["value_minor"], currency),
                    shown(_each(row), currency),
                ]
                for name, row in zip(names, rows, strict=True)
            ],
            unit=in_money(currency),
        )

    def _people(self, merchant: Merchant, told: dict[str, Any]) -> list[dict[str, Any]]:
        rows = told["at_risk"][:50]
        known = Customer.objects.filter(merchant=merchant).in_bulk([row["customer_id"] for row in rows])
        return [
            {
                **row,
                "link": link_to(known.get(row["customer_id"])),
                "risk": percent(row["at_risk"], 0),
                "stake": shown(row["at_stake_minor"], told["currency"]),
                "predicted": shown(row["predicted_minor"], told["currency"]),
                "historic": shown(row["historic_minor"], told["currency"]),
            }
            for row in rows
        ]


def _each(row: dict[str, Any]) -> int | None:
    return None if row["value_minor"] is None else round(row["value_minor"] / row["customers"])


def _words(merchant: Merchant, by: str) -> dict[str, Any]:
    """Return the names that people know the groups by."""
    if by == "lifecycle":
        return {one.name.lower(): one.label for one in Lifecycle}
    if by == "band":
        return {one.name.lower(): one.label for one in Band}
    if by == "rfm":
        return dict(NAMES)
    if by in ("segment", "persona"):
        return dict(Segment.objects.filter(merchant=merchant).values_list("code", "name"))
    return {}


def _calibration(backtest: dict[str, Any]) -> Drawing:
    pairs = backtest["purchases"]["deciles"]
    names = [str(place) for place in range(1, len(pairs) + 1)]
    bars = {
        say("Forecast"): [said for said, _was in pairs],
        say("What happened"): [was for _said, was in pairs],
    }
    return Drawing(
        spot="calibration",
        title=say("Forecast against what happened"),
        option={
            "legend": {},
            "tooltip": {"trigger": "axis"},
            "xAxis": {"type": "category", "data": names, "name": "", "nameLocation": "middle"},
            "yAxis": {"type": "value"},
            "series": [{"type": "bar", "name": name, "data": values} for name, values in bars.items()],
        },
        head=[say("Tenth of buyers"), *bars],
        rows=[[name, f"{said:.2f}", f"{was:.2f}"] for name, (said, was) in zip(names, pairs, strict=True)],
        note=say(
            "Purchases in %(days)s days, by tenths of the buyers from the lowest forecast to the highest: made as of "
            "%(days)s days ago, and compared with what came after."
        )
        % {"days": backtest["days"]},
    )


def _accuracy(backtest: dict[str, Any]) -> list[dict[str, str]]:
    names = {"purchases": say("Purchases"), "spend": say("Revenue")}
    return [
        {
            "name": name,
            "total_error": percent(backtest[key]["total_error"]),
            "gini": "–" if backtest[key]["gini"] is None else f"{backtest[key]['gini']:.2f}",
        }
        for key, name in names.items()
    ]
