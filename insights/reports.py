"""
Customer value and retention as told: one shape for the admin, the API and a spreadsheet.

Every report says as of when, by which method, in which currency, and what was left out. Percentages of fewer than
30 customers are not told.
"""

from datetime import date, timedelta
from typing import Any

from django.core.cache import cache
from django.utils.translation import gettext as say

from insights import churn, snapshots
from insights.models import ClvRun, ClvScore, MerchantInsight, RetentionSnapshot
from insights.models.retention import PARTS
from insights.retention import Parts
from lib import money, public_ids
from merchants.models import Merchant

MOST_WATCHED = 100
KEPT_SECONDS = 3600
METHODS = {
    "mbg_nbd": "MBG/NBD (Batislam et al. 2007) and Gamma-Gamma (Fader and Hardie 2013), maximum likelihood",
    "nbd": "NBD (Ehrenberg 1959) and Gamma-Gamma (Fader and Hardie 2013), maximum likelihood",
}


def method(run: ClvRun) -> str:
    """Return in words how the figures were found."""
    model = run.fit.get("model")
    if not model:
        return say("History only: a forecast needs 50 buyers, 20 of whom came back.")
    found = METHODS[model["name"]]
    if run.status == ClvRun.Status.EARLY:
        return say("Early estimate (fewer than 500 buyers or 180 days), with a weak prior: %(method)s") % {
            "method": found
        }
    return found


def value(*, merchant: Merchant) -> dict[str, Any] | None:
    """Return what the customers of a merchant are worth, as of the latest refresh; None before the first."""
    run = snapshots.latest(merchant)
    if run is None:
        return None
    has_forecast = run.status != ClvRun.Status.HISTORY_ONLY
    return {
        "as_of": run.as_of,
        "made_at": run.made_at,
        "status": run.status,
        "method": method(run),
        "currency": run.currency,
        "left_out_days": run.left_out,
        "lapse_days": run.lapse_days,
        "margin": round(run.margin, 4),
        "annual_discount": run.discount,
        "customers": run.customers,
        "repeaters": run.repeaters,
        "historic_minor": run.historic_minor,
        "predicted_minor": run.value_minor if has_forecast else None,
        "remarks": run.remarks,
        "groups": {
            name: [{**row, "value_minor": row["value_minor"] if has_forecast else None} for row in rows]
            for name, rows in run.groups.items()
        },
        "backtest": run.backtest or None,
        "at_risk": watched(merchant=merchant) if has_forecast else [],
    }


def watched(*, merchant: Merchant, most: int = MOST_WATCHED) -> list[dict[str, Any]]:
    """Return the customers whom a message may still win, those with most at stake first."""
    rows = ClvScore.objects.filter(merchant_id=merchant.pk, watch__gt=0, watch__lte=most).order_by("watch")
    return [
        {
            "customer": public_ids.show("cus", row.customer_id),
            "customer_id": row.customer_id,
            "at_risk": round(row.at_risk, 4),
            "at_stake_minor": row.at_stake_minor,
            "predicted_minor": row.value_minor,
            "historic_minor": row.historic_minor,
            "last_day": row.last_day,
        }
        for row in rows
    ]


def retention(*, merchant: Merchant, length: int, ends_on: date | None = None) -> dict[str, Any] | None:
    """
    Return the revenue of the window of so many days against the one before: as stored, or counted now (and kept
    for an hour) for a window that ends on another day. None before the first refresh.
    """
    if ends_on is None:
        rows = {
            name: churn.stored(merchant=merchant, dimension=name, length=length) for name in churn.DIMENSIONS
        }
        if not rows["total"]:
            return None
        total = rows["total"][0]
        groups = {name: [(row.key, row.parts) for row in rows[name]] for name in rows if name != "total"}
        return _told(merchant, total, total.parts, groups, total.points_redeemed, total.points_cost_minor)
    insight = MerchantInsight.objects.filter(merchant=merchant).first()
    lapse = insight.window if insight else 90
    key = f"retention:{merchant.pk}:{ends_on}:{length}:{lapse}"
    told = cache.get(key)
    if told is None:
        counted = churn.count(merchant=merchant, ends_on=ends_on, length=length, lapse_days=lapse)
        window = RetentionSnapshot(ends_on=ends_on, days=length, currency=merchant.currency, lapse_days=lapse)
        told = _told(merchant, window, sum(counted.values(), start=Parts()), {}, None, None)
        cache.set(key, told, KEPT_SECONDS)
    return told  # type: ignore[no-any-return]


def _told(
    merchant: Merchant, window: RetentionSnapshot, parts: Parts, groups: dict[str, list[tuple[str, Parts]]],
    used: int | None, cost: int | None,
) -> dict[str, Any]:  # fmt: skip
    begins = churn.begins(merchant=merchant)
    is_covered = window.is_covered(begins)
    return {
        "as_of": window.ends_on - timedelta(days=1),
        "ends_on": window.ends_on,
        "made_at": window.made_at,
        "days": window.days,
        "currency": window.currency,
        "lapse_days": window.lapse_days,
        "method": say(
            "Revenue of the same customers in this window over that in the window of equal length before it; net of "
            "refunds on the day of the refund, without tax, shipping and what points paid for."
        ),
        "headline": headline(
            parts, days=window.days, currency=window.currency, begins=None if is_covered else begins
        ),
        "total": figures(parts, is_covered=is_covered),
        "points_redeemed": used,
        "points_cost_minor": cost,
        "groups": {
            name: [{"key": key, **figures(one, is_covered=is_covered)} for key, one in rows]
            for name, rows in groups.items()
        },
    }


def figures(parts: Parts, *, is_covered: bool = True) -> dict[str, Any]:
    """
    Return the parts in minor units, and their percentages where there are customers enough for one and the
    history covers both windows.
    """
    shares = ("gross_retention", "net_retention", "net_churn", "net_churn_with_returned", "customer_churn")
    return {
        **{name: getattr(parts, name) for name in PARTS},
        **{
            name: _rounded(getattr(parts, name)) if parts.is_telling and is_covered else None
            for name in shares
        },
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)


def headline(
    parts: Parts, *, days: int, currency: str, language: str = "en", begins: date | None = None
) -> str:
    """Say in a sentence whether churn is negative, and why; `begins` where the history is too short for it."""
    if begins is not None:
        return say(
            "Too early to say: %(days)s days are compared with the %(days)s before, and purchases are known since "
            "%(begins)s only."
        ) % {"days": days, "begins": begins.isoformat()}
    if not parts.is_telling or parts.net_churn is None:
        return say(
            "Too early to say: %(count)s customers bought in the %(days)s days before, and a percentage needs 30."
        ) % {"count": f"{parts.base_customers:,}", "days": days}
    lost = parts.contraction + parts.lost
    told = {
        "churn": f"{abs(parts.net_churn):.1%}",
        "grown": money.show(parts.expansion, currency, language),
        "lost": money.show(lost, currency, language),
        "days": days,
    }
    if parts.net_churn < 0:
        return (
            say(
                "Net churn is negative, −%(churn)s: over %(days)s days customers who stayed spent %(grown)s more, and "
                "that is more than the %(lost)s that others spent less."
            )
            % told
        )
    return (
        say(
            "Net churn is %(churn)s: over %(days)s days customers who left or bought less took %(lost)s away, and "
            "those who stayed gave %(grown)s more."
        )
        % told
    )
