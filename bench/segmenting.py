"""A process that fills a database with customers and counts a segment of them: started by `bench.segments`."""

import sys
import time
from datetime import UTC, datetime

import django
import orjson

FILL = (
    # Every customer bought on three of the last 400 days; every tenth has a language.
    """INSERT INTO customers_customer (id, merchant_id, name, status, birthday, language, referral_code, created_at, written)
       SELECT n, %s, 'Person ' || n, 'active', '', CASE WHEN n %% 10 = 0 THEN 'pt' ELSE '' END, n::text, now(), '{}'
       FROM generate_series(1, %s) AS n""",
    """INSERT INTO loyalty_revenueday
       (merchant_id, customer_id, day, currency, orders, net_revenue_minor, refunds_minor)
       SELECT %s, n, current_date - ((n * 7 + i * 131) %% 400)::int, 'EUR', 1, 1000 + n %% 900, 0
       FROM generate_series(1, %s) AS n, generate_series(0, 2) AS i ON CONFLICT DO NOTHING""",
)
RULE = {
    "all": [
        {"kind": "last_purchase", "at_least": 30},
        {"kind": "purchases", "at_least": 2},
        {"not": {"kind": "rfm", "groups": ["lost"]}},
    ]
}
TOUCHED = 1_000


def main(people: int) -> None:
    """Print as JSON how many seconds each piece took."""
    django.setup()
    from django.db import connection

    from bench.shop import SLUG
    from customers import segments
    from customers.models import Customer, Segment
    from lib import db
    from loyalty import rfm
    from merchants.models import Merchant

    at = datetime.now(UTC)
    merchant = Merchant.objects.get(slug=SLUG)
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, [merchant.pk, people])
        cursor.execute("VACUUM ANALYZE")
    segment = Segment(merchant=merchant, code="bench", name="Bench")
    db.command(segments.save)(segment=segment, rule=RULE, at=at)
    found: dict[str, float] = {}

    def timed(name: str, act: object) -> None:
        started = time.perf_counter()
        act()  # type: ignore[operator]
        found[name] = round(time.perf_counter() - started, 3)

    timed("rfm", lambda: rfm.score(merchant=merchant, at=at))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # what autovacuum does within a minute
    timed("first", lambda: segments.refresh(segment=segment, at=at))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")  # what autovacuum does within a minute
    timed("again", lambda: segments.refresh(segment=segment, at=at))
    some = list(
        Customer.objects.filter(merchant=merchant).order_by("pk").values_list("pk", flat=True)[:TOUCHED]
    )
    timed("touched", lambda: db.command(segments.follow)(merchant=merchant, customers=some, at=at))
    found["members"] = segment.members
    sys.stdout.write(orjson.dumps(found).decode() + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
