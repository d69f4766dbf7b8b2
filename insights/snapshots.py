"""
The reports of a merchant, made anew: every night, and whenever somebody asks.

    1 claim      one refresh of a merchant at a time; one that died is taken over after a quarter of an hour
    2 read       who bought when and for how much, one statement (`insights.days`)
    3 fit        weekly, or when there are 5 % more buyers; with it a backtest: the same method half a year ago
    4 score      everybody, in memory
    5 write      the run and its scores take the place of the last ones in one transaction
    6 retention  two windows in all and by group, and the cohorts (`insights.churn`)

Told twice it does the same again. Killed anywhere it has changed nothing that a reader sees half: the next
refresh begins anew. "As of" is the merchant's own day, today: what was sold so far counts.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q, Sum

from insights import churn, days, groups, scoring
from insights.models import ClvRun, ClvScore, MerchantInsight, RetentionSnapshot
from insights.models.retention import PARTS
from lib import columns, db
from lib.errors import Conflict
from loyalty import ledger
from loyalty.models import Program
from merchants.models import Merchant

LEASE = timedelta(minutes=15)
FOUND_EVERY = timedelta(days=7)
USED = ("redeem", "hold_capture", "return")

Tell = Callable[[str, int], None]


class RefreshIsRunning(Conflict):
    code = "refresh_is_running"


@db.command
def ask(*, merchant: Merchant, at: datetime) -> None:
    """Ask for a refresh: the next `refresh_due` makes it. Asking again asks for nothing more."""
    MerchantInsight.objects.get_or_create(merchant=merchant)
    MerchantInsight.objects.filter(merchant=merchant).update(wanted_at=at)


def refresh_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Refresh every merchant whose reports are of another day, or who asked; return how many were."""
    return sum(1 for owner in _due(at, merchant) if _try(owner, at))


def _due(at: datetime, merchant: Merchant | None) -> Iterator[Merchant]:
    owners = Merchant.objects.filter(is_active=True, **({"pk": merchant.pk} if merchant else {}))
    for owner in owners.select_related("insight").iterator():
        insight = getattr(owner, "insight", None)
        done = insight.finished_at if insight else None
        is_asked = bool(insight and insight.wanted_at and (done is None or insight.wanted_at > done))
        if is_asked or done is None or done.astimezone(owner.zone).date() < at.astimezone(owner.zone).date():
            yield owner


def _try(merchant: Merchant, at: datetime) -> bool:
    try:
        refresh(merchant=merchant, at=at)
    except RefreshIsRunning:
        return False
    return True


def refresh(*, merchant: Merchant, at: datetime, tell: Tell | None = None) -> ClvRun:
    """
    Make the reports of a merchant anew.

    :raises RefreshIsRunning: another one is at it
    """
    _claim(merchant=merchant, at=at)
    began, as_of = time.monotonic(), at.astimezone(merchant.zone).date()

    def say(step: str, percent: int) -> None:
        _note(merchant, step, percent)
        if tell is not None:
            tell(step, percent)

    try:
        say("lapse", 2)
        lapse = _lapse(merchant, as_of)
        say("read", 5)
        buyers = days.buyers(merchant=merchant, until=as_of, lapse_days=lapse)
        margin, discount = economics(merchant, as_of, at)
        say("fit", 25)
        fitted = scoring.fitted(
            merchant=merchant, buyers=buyers, last=latest(merchant), as_of=as_of, lapse_days=lapse
        )
        say("score", 40)
        scores = scoring.score(buyers, fitted, lapse_days=lapse, margin=margin, discount=discount)
        say("write", 60)
        run = _run(merchant, as_of, at, lapse, margin, discount, buyers, fitted, scores)
        _write(run=run, scores=scores)
        say("retention", 75)
        _write_retention(merchant=merchant, as_of=as_of, lapse=lapse, at=at)
        groups.sum_up(run=run, began=began)
    except BaseException:
        MerchantInsight.objects.filter(merchant=merchant).update(started_at=None, step="failed", percent=0)
        raise
    MerchantInsight.objects.filter(merchant=merchant).update(
        started_at=None, finished_at=at, step="", percent=100
    )
    return run


def latest(merchant: Merchant) -> ClvRun | None:
    """Return the latest forecast of a merchant."""
    return ClvRun.objects.filter(merchant=merchant).order_by("-as_of", "-id").first()


@db.command
def _claim(*, merchant: Merchant, at: datetime) -> None:
    MerchantInsight.objects.get_or_create(merchant=merchant)
    free = Q(started_at=None) | Q(started_at__lt=at - LEASE)
    if not MerchantInsight.objects.filter(free, merchant=merchant).update(started_at=at, step="", percent=0):
        raise RefreshIsRunning("The reports are being made right now.")


def _note(merchant: Merchant, step: str, percent: int) -> None:
    MerchantInsight.objects.filter(merchant=merchant).update(step=step, percent=percent)


def _lapse(merchant: Merchant, as_of: date) -> int:
    insight = MerchantInsight.objects.get(merchant=merchant)
    if (
        insight.lapse_found_on is None
        or as_of - insight.lapse_found_on >= FOUND_EVERY
        or as_of < insight.lapse_found_on
    ):
        insight.lapse_days = days.lapse_days(merchant=merchant, until=as_of)
        MerchantInsight.objects.filter(merchant=merchant).update(
            lapse_days=insight.lapse_days, lapse_found_on=as_of
        )
    return insight.window


def redeemed(*, merchant: Merchant, since: datetime, until: datetime) -> int:
    """Return how many points were used in a window, less those that came back."""
    used = ledger.entries(merchant_id=merchant.pk).filter(
        kind__in=USED, occurred_at__gte=since, occurred_at__lt=until
    )
    return max(0, -int(used.order_by().aggregate(sum=Sum("points"))["sum"] or 0))


def economics(merchant: Merchant, as_of: date, at: datetime) -> tuple[float, float]:
    """
    Return what is left of one unit of revenue, and the annual discount: the program's gross margin, less what the
    points used in the last 365 days cost per unit of the revenue of these days.
    """
    program = Program.objects.filter(merchant=merchant, is_active=True).first()
    if program is None:
        return 0.4, 0.1
    revenue = days.revenue(
        merchant=merchant, since=as_of - timedelta(days=364), until=as_of + timedelta(days=1)
    )
    used = redeemed(merchant=merchant, since=at - timedelta(days=365), until=at)
    cost = used * float(program.point_cost_minor) / revenue if revenue > 0 else 0.0
    return max(0.0, float(program.gross_margin) - cost), float(program.annual_discount)


def _run(
    merchant: Merchant, as_of: date, at: datetime, lapse: int, margin: float, discount: float,
    buyers: days.Buyers, fitted: scoring.Fitted, scores: scoring.Scores,
) -> ClvRun:  # fmt: skip
    return ClvRun(
        merchant=merchant,
        as_of=as_of,
        made_at=at,
        status=fitted.fit.status,
        currency=merchant.currency,
        lapse_days=lapse,
        margin=margin,
        discount=discount,
        customers=len(buyers.customers),
        repeaters=int((buyers.days > 1).sum()),
        left_out=days.left_out(merchant=merchant),
        historic_minor=int(buyers.net.sum()),
        value_minor=int(scores.columns["value_minor"].sum()),
        fit=fitted.as_json(),
        backtest=fitted.backtest,
        remarks=list(fitted.fit.remarks),
        seconds=0.0,
    )


@db.command
def _write(*, run: ClvRun, scores: scoring.Scores) -> None:
    """Put a run and its scores in the place of the last ones. Whoever reads meanwhile reads the last ones."""
    MerchantInsight.objects.select_for_update().get(merchant_id=run.merchant_id)
    ClvRun.objects.filter(merchant_id=run.merchant_id, made_at=run.made_at).delete()
    run.save(force_insert=True)
    db.ask("DELETE FROM insights_clvscore WHERE merchant_id = %s", [run.merchant_id])
    columns.write(ClvScore, {"merchant_id": run.merchant_id, "run_id": run.pk, **scores.columns})
    db.ask(
        "DELETE FROM insights_clvscore WHERE merchant_id = %s AND customer_id IN "
        "(SELECT id FROM customers_customer WHERE merchant_id = %s AND status = 'erased')",
        [run.merchant_id, run.merchant_id],
    )


@db.command
def _write_retention(*, merchant: Merchant, as_of: date, lapse: int, at: datetime) -> None:
    """Count both windows anew, in all and by group; of older snapshots only those of a month's first are kept."""
    ends_on = as_of + timedelta(days=1)
    RetentionSnapshot.objects.filter(Q(ends_on=ends_on) | ~Q(ends_on__day=1), merchant=merchant).delete()
    program = Program.objects.filter(merchant=merchant, is_active=True).first()
    rows = []
    for length in churn.WINDOWS:
        used = redeemed(merchant=merchant, since=at - timedelta(days=length), until=at)
        cost = round(used * float(program.point_cost_minor)) if program else 0
        for dimension in churn.DIMENSIONS:
            counted = churn.count(
                merchant=merchant, ends_on=ends_on, length=length, lapse_days=lapse, dimension=dimension
            )
            for key, parts in counted.items():
                points: dict[str, Any] = {"points_redeemed": used, "points_cost_minor": cost}
                rows.append(
                    RetentionSnapshot(
                        merchant=merchant,
                        ends_on=ends_on,
                        days=length,
                        dimension=dimension,
                        key=key[:120],
                        currency=merchant.currency,
                        lapse_days=lapse,
                        made_at=at,
                        **{name: getattr(parts, name) for name in PARTS},
                        **(points if dimension == "total" else {}),
                    )
                )
    RetentionSnapshot.objects.bulk_create(rows, batch_size=500)
    churn.cohorts(merchant=merchant, until=as_of)
