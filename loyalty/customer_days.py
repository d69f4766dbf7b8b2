"""
What each customer was worth on each local day (`RevenueDay`): the only input to RFM, CLV and retention.

The figures of a customer are made from their purchases and refunds in one statement, never added to: saying
it again, late, twice or after a merge gives the same. `roll_up` follows the diary (`customers.changes`)
some seconds behind; `rebuild` walks over everybody, or over who bought lately, every night.

- A sale counts on the day it happened, a refund on the day it was given, both in the merchant's zone.
- Worth is `Purchase.net_minor`: goods and services, without tax, shipping, tips and what points paid for.
- A refund takes its share of that, exact and cumulative: refunds of a whole sale take all of it.
- A voided sale is gone, with its refunds; a sale given back whole is no order, on its own day.
- What a merged customer bought is the target's; sales that wait for their customer are nobody's yet.
- Days without a sale or refund have no row. Erasure keeps the rows: their number leads to nobody.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from customers import changes
from customers.models import Customer
from lib import db, public_ids
from merchants.models import Merchant

CHUNK = 2_000
DAYS_BACK = 3


@db.inside_transaction
def roll_up(*, merchant: Merchant, customers: Sequence[int], at: datetime) -> None:
    """
    Make the days of these customers anew: two statements for any number of them. A follower of
    `customers.changes`, whose lock the caller holds.
    """
    if not customers:
        return
    mine, ids = db.any_of("customer_id", "bigint", customers)
    db.ask(f"DELETE FROM loyalty_revenueday WHERE merchant_id = %s AND {mine}", [merchant.pk, *ids])
    own, own_ids = db.any_of("c.id", "bigint", customers)
    merged, merged_ids = db.any_of("c.merged_into_id", "bigint", customers)
    db.ask(
        f"""
        INSERT INTO loyalty_revenueday
               (merchant_id, customer_id, day, currency, orders, net_revenue_minor, refunds_minor)
        WITH whose AS (
            SELECT c.merchant_id, c.id, COALESCE(c.merged_into_id, c.id) AS owner FROM customers_customer c
            WHERE c.merchant_id = %s AND ({own} OR {merged})
        ), sold AS (
            SELECT w.merchant_id, w.owner, {_day("p.occurred_at")} AS day, p.currency, p.net_minor AS worth,
                   CASE WHEN p.amount_minor > 0 AND p.refunded_minor = p.amount_minor THEN 0 ELSE 1 END AS orders
            FROM whose w JOIN loyalty_purchase p ON p.merchant_id = %s AND p.customer_id = w.id
            WHERE p.status = 'recorded'
        ), parts AS (
            SELECT w.merchant_id, w.owner, {_day("r.occurred_at")} AS day, p.currency, p.net_minor, p.basis_minor,
                   r.basis_minor AS part,
                   SUM(r.basis_minor) OVER (PARTITION BY p.id ORDER BY r.recorded_at, r.id) AS so_far
            FROM whose w JOIN loyalty_purchase p ON p.merchant_id = %s AND p.customer_id = w.id
            JOIN loyalty_refund r ON r.merchant_id = p.merchant_id AND r.purchase_id = p.id
            WHERE p.status = 'recorded' AND r.status = 'applied'
        ), facts AS (
            SELECT merchant_id, owner, day, currency, orders, worth, 0 AS back FROM sold
            UNION ALL
            SELECT merchant_id, owner, day, currency, 0, 0, CASE WHEN net_minor = basis_minor THEN part
                   ELSE {_share("so_far")} - {_share("so_far - part")} END
            FROM parts
        )
        SELECT merchant_id, owner, day, currency, SUM(orders), SUM(worth) - SUM(back), SUM(back)
        FROM facts GROUP BY merchant_id, owner, day, currency
        """,
        [
            *(merchant.pk, *own_ids, *merged_ids),
            *(merchant.timezone, merchant.pk, merchant.timezone, merchant.pk),
        ],
    )


def _day(column: str) -> str:
    """Return the local date of a column; the zone is a parameter."""
    if db.is_postgres():
        return f"CAST({column} AT TIME ZONE %s AS date)"
    return f"django_datetime_cast_date({column}, %s, 'UTC')"


def _share(part: str) -> str:
    """Return the net share of a part of the basis, rounded down. PostgreSQL needs more than 64 bits for it."""
    if db.is_postgres():
        return f"div(CAST(net_minor AS numeric) * ({part}), basis_minor)"
    return f"net_minor * ({part}) / basis_minor"


def rebuild(*, merchant: Merchant, at: datetime, since: datetime | None = None) -> Iterator[int]:
    """
    Make everybody's days anew, or those of who bought or gave back since; yield how many customers, chunk by
    chunk. Each chunk is a transaction of its own.
    """
    after = 0
    while customers := _next(merchant, after, since):
        after = customers[-1]
        _rebuild_some(merchant=merchant, customers=customers, at=at)
        yield len(customers)


@db.command
def _rebuild_some(*, merchant: Merchant, customers: Sequence[int], at: datetime) -> None:
    changes.hold()
    roll_up(merchant=merchant, customers=customers, at=at)


def _next(merchant: Merchant, after: int, since: datetime | None) -> list[int]:
    if since is None:
        rows = Customer.objects.filter(merchant=merchant, pk__gt=after).order_by("pk")
        return list(rows.values_list("pk", flat=True)[:CHUNK])
    # Ids grow with time: what was recorded since has an id from then on, and so needs no index of its own.
    found = db.ask(
        f"""
        SELECT DISTINCT COALESCE(c.merged_into_id, c.id) AS owner FROM customers_customer c
        WHERE c.merchant_id = %s AND COALESCE(c.merged_into_id, c.id) > %s AND c.id IN (
            SELECT p.customer_id FROM loyalty_purchase p WHERE p.merchant_id = %s AND p.id >= %s
            UNION ALL
            SELECT p.customer_id FROM loyalty_refund r
            JOIN loyalty_purchase p ON p.merchant_id = r.merchant_id AND p.id = r.purchase_id
            WHERE r.merchant_id = %s AND r.recorded_at >= %s
        ) ORDER BY owner LIMIT {CHUNK}
        """,
        [merchant.pk, after, merchant.pk, public_ids.first_of(since), merchant.pk, since],
    )
    return [number for (number,) in found.rows]


def rebuild_lately(*, at: datetime) -> int:
    """Make the days anew of whoever bought or gave back in the last days, at every merchant; return how many."""
    since = at - timedelta(days=DAYS_BACK)
    return sum(
        done
        for merchant in Merchant.objects.filter(is_active=True)
        for done in rebuild(merchant=merchant, at=at, since=since)
    )
