"""Shops whose purchase days are written straight into the table that reports read."""

from datetime import date, timedelta

import numpy as np

from loyalty.models import RevenueDay

CDNOW_STARTS = date(1997, 1, 1)


def fill(merchant, who, day, spent, *, starts, currency=None):
    """Write one row per customer and day; `day` counts from `starts`, `spent` is in minor units."""
    rows = [
        RevenueDay(
            merchant_id=merchant.pk,
            customer_id=int(one),
            day=starts + timedelta(days=int(when)),
            currency=currency or merchant.currency,
            orders=1,
            net_revenue_minor=int(money),
            refunds_minor=0,
        )
        for one, when, money in zip(who, day, spent, strict=True)
    ]
    RevenueDay.objects.bulk_create(rows, batch_size=5_000)


def random_days(seed, *, customers=400, rows=2_000, span=800):
    """Purchase days and refunds of many customers, none twice on one day."""
    rng = np.random.default_rng(seed)
    who, day = rng.integers(1, customers, rows), rng.integers(0, span, rows)
    _, first = np.unique(who * 10_000 + day, return_index=True)
    spent = rng.integers(-2_000, 20_000, len(first))
    return who[first], day[first], spent


def parts_in_memory(who, day, spent, *, end, length, lapse):
    """What `insights.churn.count` answers, from `retention.split`."""
    from insights import retention

    day, spent = np.asarray(day), np.asarray(spent)
    known = day < end
    who, day, spent = np.asarray(who)[known], day[known], spent[known]
    ids, place = np.unique(who, return_inverse=True)
    start, before = end - length, end - 2 * length

    def sums(where):
        return np.bincount(place[where], weights=spent[where], minlength=len(ids)).astype(np.int64)

    bought = spent > 0
    first, last = np.full(len(ids), 10**6), np.full(len(ids), -1)
    np.minimum.at(first, place[bought], day[bought])
    np.maximum.at(last, place[bought], day[bought])
    return retention.split(
        before=sums((day >= before) & (day < start)),
        now=sums(day >= start),
        is_new=first >= start,
        is_silent=last < end - lapse,
    )


__all__ = ["CDNOW_STARTS", "fill", "parts_in_memory", "random_days"]
