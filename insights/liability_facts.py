"""The liability report as plain facts, for the API and for files: units are points and minor units of money."""

from typing import Any

from insights.forward import Amount
from insights.journal import Line
from insights.liability_report import Report, Worth, first_day


def shown(report: Report) -> dict[str, Any]:
    """Return a report as it is answered."""
    moved = report.forward
    return {
        "object": "liability",
        "program": report.program.public_id,
        "currency": report.currency,
        "since": report.since,
        "until": report.until,
        "as_of": report.as_of,
        "opening": _amount(moved.opening),
        "lines": [{"line": line, **_amount(amount)} for line, amount in moved.lines.items()],
        "closing": _amount(moved.closing),
        "worth_at_start": _worth(report.opening),
        "worth_at_end": _worth(report.closing),
        "months": [
            {
                "month": f"{first_day(one.month):%Y-%m}",
                "issued": one.issued,
                "redeemed": one.redeemed,
                "expired": one.expired,
                "outstanding": one.outstanding,
                "to_be_redeemed": round(one.coming, 1),
            }
            for one in report.closing.estimate.months
        ],
        "journal": {"cost": _bookings(report.by_cost), "ifrs15": _bookings(report.by_ifrs)},
    }


def _amount(amount: Amount) -> dict[str, int]:
    return {"points": amount.points, "pending": amount.pending}


def _worth(worth: Worth) -> dict[str, Any]:
    known = worth.estimate
    return {
        "outstanding": known.outstanding,
        "to_be_redeemed": round(known.coming, 1),
        "breakage": round(known.breakage, 1),
        "redemption_rate": None if known.rate is None else round(known.rate, 4),
        "is_early": known.is_early,
        "liability_minor": worth.cost_minor,
        "deferred_minor": worth.position.balance_minor,
    }


def _bookings(lines: list[Line]) -> list[dict[str, Any]]:
    return [
        {"text": one.text, "debit": one.debit, "credit": one.credit, "amount_minor": one.amount_minor}
        for one in lines
    ]
