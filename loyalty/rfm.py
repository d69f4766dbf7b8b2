"""
Recency, frequency, money: who buys lately, often and for much, in fifths of all who ever bought.

A score compares everybody with everybody, so it is made for all of a merchant at once, from `RevenueDay`:
recency by the last day with an order, frequency by the days with one, money by what they were worth in the
last twelve months in the merchant's currency. Ties are told apart by the customer's id. Every combination has one name.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy as _

from lib import db
from merchants.models import Merchant

# The first that fits counts; `recency <= 1` and `frequency <= 2` is what is left.
NAMES = {
    "champion": _("Champions"),
    "cannot_lose": _("Cannot lose them"),
    "at_risk": _("At risk"),
    "loyal": _("Loyal"),
    "new": _("New"),
    "promising": _("Promising"),
    "needs_attention": _("Need attention"),
    "hibernating": _("Hibernating"),
    "lost": _("Lost"),
}
_NAME = """
    CASE WHEN recency >= 4 AND frequency >= 4 THEN 'champion'
         WHEN recency = 1 AND frequency >= 4 AND money >= 4 THEN 'cannot_lose'
         WHEN recency <= 2 AND frequency >= 3 THEN 'at_risk'
         WHEN recency >= 3 AND frequency >= 3 THEN 'loyal'
         WHEN recency = 5 AND frequency = 1 THEN 'new'
         WHEN recency >= 4 THEN 'promising'
         WHEN recency = 3 THEN 'needs_attention'
         WHEN recency = 2 THEN 'hibernating'
         ELSE 'lost' END
"""
_FIGURES = ("recency", "frequency", "money", "name")


@db.command
def score(*, merchant: Merchant, at: datetime) -> int:
    """Score everybody who ever bought; return how many rows changed. Rows that stay are not written."""
    day: date = at.astimezone(ZoneInfo(merchant.timezone)).date() - timedelta(days=365)
    db.ask(
        "DELETE FROM loyalty_rfmscore WHERE merchant_id = %s AND NOT EXISTS (SELECT 1 FROM loyalty_revenueday d "
        "WHERE d.merchant_id = loyalty_rfmscore.merchant_id AND d.customer_id = loyalty_rfmscore.customer_id "
        "AND d.orders > 0)",
        [merchant.pk],
    )
    differs = " OR ".join(f"loyalty_rfmscore.{name} <> excluded.{name}" for name in _FIGURES)
    written = db.ask(
        f"""
        INSERT INTO loyalty_rfmscore (merchant_id, customer_id, recency, frequency, money, name)
        WITH days AS (
            SELECT merchant_id, customer_id, day, SUM(orders) AS orders,
                   SUM(CASE WHEN day > %s AND currency = %s THEN net_revenue_minor ELSE 0 END) AS worth
            FROM loyalty_revenueday WHERE merchant_id = %s GROUP BY merchant_id, customer_id, day
        ), sums AS (
            SELECT merchant_id, customer_id, MAX(CASE WHEN orders > 0 THEN day END) AS last,
                   SUM(CASE WHEN orders > 0 THEN 1 ELSE 0 END) AS often, SUM(worth) AS worth
            FROM days GROUP BY merchant_id, customer_id HAVING SUM(CASE WHEN orders > 0 THEN 1 ELSE 0 END) > 0
        ), scores AS (
            SELECT merchant_id, customer_id, NTILE(5) OVER (ORDER BY last, customer_id) AS recency,
                   NTILE(5) OVER (ORDER BY often, customer_id) AS frequency,
                   NTILE(5) OVER (ORDER BY worth, customer_id) AS money
            FROM sums
        )
        SELECT merchant_id, customer_id, recency, frequency, money, {_NAME} FROM scores WHERE customer_id > 0
        ON CONFLICT (merchant_id, customer_id) DO UPDATE SET
            {", ".join(f"{name} = excluded.{name}" for name in _FIGURES)}
        WHERE {differs}
        RETURNING 1
        """,
        [day, merchant.currency, merchant.pk],
    )
    return len(written.rows)


def score_all(*, at: datetime) -> int:
    """Score the customers of every merchant; return how many rows changed."""
    return sum(score(merchant=merchant, at=at) for merchant in Merchant.objects.filter(is_active=True))
