"""What the liability page says: figures, tables and charts of a report, in the reader's language."""

from dataclasses import dataclass
from typing import Any

from django.utils import formats, translation
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from insights import journal
from insights.forward import Amount
from insights.liability_report import Report, Worth, first_day
from lib import money
from lib.charts import PERCENT, Drawing

LINES = {
    "issued": _("Issued"),
    "activated": _("Became usable"),
    "redeemed": _("Redeemed"),
    "expired": _("Expired"),
    "reinstated": _("Reinstated"),
    "clawed_back": _("Taken back after refunds"),
    "returned": _("Returned"),
    "adjusted": _("Adjusted by staff"),
    "written_off": _("Written off"),
    "transferred": _("Between customers"),
    "merged": _("Between merged customers"),
}
ACCOUNTS = {
    journal.REVENUE: _("Revenue"),
    journal.CONTRACT: _("Contract liability: points"),
    journal.EXPENSE: _("Loyalty expense"),
    journal.PROVISION: _("Provision for points"),
    journal.GIVEN: _("Cost of rewards given"),
}
TEXTS = {
    "points_issued": _("Points issued with sales"),
    "points_redeemed": _("Points redeemed"),
    "points_provided": _("Points to be redeemed"),
}
DRAWN = {"issued": "$fill", "redeemed": "$warn", "expired": "$bad"}
MOST_AGES = 24


@dataclass(frozen=True, slots=True)
class Page:
    """A report for the template: every value is a word already."""

    report: Report

    @property
    def figures(self) -> list[tuple[Any, str, Any]]:
        end = self.report.closing
        rate = end.estimate.rate
        return [
            (_("Outstanding at the end"), _count(end.estimate.outstanding), _("points, usable and pending")),
            (
                _("Will be redeemed"),
                _count(end.estimate.coming),
                "" if rate is None else say("%(rate)s %% of all ever issued") % {"rate": _number(rate * 100)},
            ),
            (_("Liability by cost"), self._money(end.cost_minor), _("what those will cost")),
            (_("Deferred revenue"), self._money(end.position.balance_minor), "IFRS 15 / ASC 606"),
        ]

    @property
    def is_early(self) -> bool:
        return self.report.closing.estimate.is_early and bool(self.report.closing.estimate.months)

    @property
    def prior(self) -> str:
        return _number(self.report.economics.prior * 100)

    @property
    def lines(self) -> list[dict[str, Any]]:
        moved = self.report.forward
        rows = [(_("At the start"), moved.opening, True)]
        rows += [(LINES[line], amount, False) for line, amount in moved.lines.items() if amount != Amount()]
        rows.append((_("At the end"), moved.closing, True))
        cost = self.report.economics.cost_minor
        return [
            {
                "label": label,
                "points": _count(amount.points),
                "pending": _count(amount.pending),
                "cost": self._money(round((amount.points + amount.pending) * cost)),
                "is_sum": is_sum,
            }
            for label, amount, is_sum in rows
        ]

    @property
    def worth(self) -> list[tuple[Any, str, str]]:
        start, end = self.report.opening, self.report.closing

        def both(label: Any, show: Any) -> tuple[Any, str, str]:
            return label, show(start), show(end)

        return [
            both(_("Points outstanding"), lambda one: _count(one.estimate.outstanding)),
            both(_("… that will be redeemed"), lambda one: _count(one.estimate.coming)),
            both(_("… that will not (breakage)"), lambda one: _count(one.estimate.breakage)),
            both(_("Redemption rate in the end"), _rate),
            both(_("Liability by cost"), lambda one: self._money(one.cost_minor)),
            both(_("Revenue deferred so far"), lambda one: self._money(one.position.deferred_minor)),
            both(_("… and recognized so far"), lambda one: self._money(one.position.recognized_minor)),
            both(_("Deferred revenue"), lambda one: self._money(one.position.balance_minor)),
        ]

    @property
    def journals(self) -> list[tuple[Any, list[tuple[Any, Any, Any, str]]]]:
        return [
            (
                title,
                [
                    (
                        TEXTS[one.text],
                        ACCOUNTS[one.debit],
                        ACCOUNTS[one.credit],
                        self._money(one.amount_minor),
                    )
                    for one in lines
                ],
            )
            for title, lines in (
                (_("By cost"), self.report.by_cost),
                (_("By IFRS 15 / ASC 606"), self.report.by_ifrs),
            )
        ]

    @property
    def days(self) -> Drawing | None:
        """Return what was issued, redeemed and expired on each day on which something moved."""
        days = self.report.forward.days
        if not days:
            return None

        def points(day: Any, line: str) -> int:
            amount = days[day].get(line, Amount())
            return amount.points + amount.pending

        names = [formats.date_format(day, "SHORT_DATE_FORMAT") for day in days]
        return Drawing(
            spot="points-per-day",
            title=say("Points per day"),
            option={
                "legend": {},
                "tooltip": {"trigger": "axis"},
                "xAxis": {"type": "category", "data": names},
                "yAxis": {"type": "value"},
                "series": [
                    {
                        "type": "bar",
                        "stack": "points",
                        "name": str(LINES[line]),
                        "itemStyle": {"color": color},
                        "data": [points(day, line) for day in days],
                    }
                    for line, color in DRAWN.items()
                ],
            },
            head=[say("Day"), *(str(LINES[line]) for line in DRAWN)],
            rows=[
                [name, *(_count(points(day, line)) for line in DRAWN)]
                for name, day in zip(names, days, strict=True)
            ],
        )

    @property
    def triangle(self) -> Drawing | None:
        """Return the share of each month's points that was redeemed by each age."""
        months = self.report.closing.estimate.months
        grown = self.report.closing.redeemed
        ages = min(len(months), MOST_AGES)
        if not months:
            return None
        shares = [
            [
                grown[row][age] / one.issued if one.issued > 0 else 0.0
                for age in range(min(len(months) - row, ages))
            ]
            for row, one in enumerate(months)
        ]
        names = [formats.date_format(first_day(one.month), "M Y") for one in months]
        return Drawing(
            spot="redeemed-by-age",
            title=say("Redeemed, by month of issue and age in months"),
            option={
                "grid": {"left": 8, "right": 16, "top": 8, "bottom": 48, "containLabel": True},
                "xAxis": {"type": "category", "data": [str(age) for age in range(ages)]},
                "yAxis": {"type": "category", "data": names},
                "visualMap": {
                    "min": 0,
                    "max": 1,
                    "orient": "horizontal",
                    "left": "center",
                    "bottom": 0,
                    "inRange": {"color": ["$soft", "$fill"]},
                },
                "series": [
                    {
                        "type": "heatmap",
                        "data": [
                            [age, row, round(share, 4)]
                            for row, parts in enumerate(shares)
                            for age, share in enumerate(parts)
                        ],
                    }
                ],
            },
            head=[say("Month of issue"), say("Issued"), *(str(age) for age in range(ages))],
            rows=[
                [name, _count(one.issued), *(f"{share:.0%}" for share in parts), *[""] * (ages - len(parts))]
                for name, one, parts in zip(names, months, shares, strict=True)
            ],
            is_tall=True,
            unit=PERCENT,
        )

    def _money(self, amount_minor: int) -> str:
        return money.show(amount_minor, self.report.currency, translation.get_language() or "en")


def _count(value: float) -> str:
    return formats.number_format(round(value), use_l10n=True, force_grouping=True)


def _number(value: float) -> str:
    return money.number(round(value, 1), translation.get_language() or "en")


def _rate(worth: Worth) -> str:
    return "–" if worth.estimate.rate is None else f"{_number(worth.estimate.rate * 100)} %"
