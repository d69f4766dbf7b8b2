"""A process that fills a database with buyers and makes their reports: started by `bench.reports`."""

import resource
import sys
import time
from datetime import UTC, datetime, timedelta

import django
import orjson

FILL = (
    # 2.3 purchase days each over two years, most of them once, as in CDNOW.
    """INSERT INTO customers_customer (id, merchant_id, name, status, birthday, language, referral_code, created_at, written)
       SELECT n, %s, '', 'active', '', '', n::text, now(), '{}' FROM generate_series(1, %s) AS n""",
    """INSERT INTO loyalty_revenueday
       (merchant_id, customer_id, day, currency, orders, net_revenue_minor, refunds_minor)
       SELECT %s, n, current_date - (age * CASE WHEN i = 0 THEN 1 ELSE random() * stays END)::int, 'EUR', 1,
              (800 + 3000 * random() * size)::int, 0
       FROM (SELECT n, 730 * random() AS age, random() AS stays, random() AS size, (-1.75 * ln(random()))::int AS more
             FROM generate_series(1, %s) AS n) AS who, generate_series(0, more) AS i
       ON CONFLICT DO NOTHING""",
)


def main(people: int) -> None:
    """Print as JSON how many seconds each piece took."""
    django.setup()
    from django.db import connection

    from bench.shop import SLUG
    from insights import clv, days, reports, snapshots
    from merchants.models import Merchant

    at = datetime.now(UTC)
    merchant = Merchant.objects.get(slug=SLUG)
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, [merchant.pk, people])
        cursor.execute("SELECT COUNT(*) FROM loyalty_revenueday")
        [rows] = cursor.fetchone()
        cursor.execute("VACUUM ANALYZE")
    found: dict[str, float] = {"purchase_days": rows}

    def timed(name: str, act: object) -> None:
        started = time.perf_counter()
        act()  # type: ignore[operator]
        found[name] = round(time.perf_counter() - started, 3)

    before = _megabytes()
    timed("first_refresh_SIZE_seconds", lambda: snapshots.refresh(merchant=merchant, at=at))
    timed("refresh_SIZE_seconds", lambda: snapshots.refresh(merchant=merchant, at=at + timedelta(days=1)))
    found["refresh_SIZE_megabytes"] = round(_megabytes() - before)
    buyers = days.buyers(merchant=merchant, until=at.date(), lapse_days=90)
    timed("fit_SIZE_seconds", lambda: clv.fit(**buyers.arrays))
    timed("report_seconds", lambda: reports.value(merchant=merchant))
    timed("retention_report_seconds", lambda: reports.retention(merchant=merchant, length=365))
    sys.stdout.write(orjson.dumps(found).decode() + "\n")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
