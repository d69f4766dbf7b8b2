"""A process that fills a database with touchpoints and asks for journeys: started by `bench.journeys`."""

import sys
import time
from datetime import UTC, datetime, timedelta

import django
import orjson

# Five touches each; every fifth person is a visitor nobody knows. Times and kinds are spread, not repeated.
FILL = """
    INSERT INTO customers_touchpoint (id, merchant_id, customer_id, anonymous_id, kind, channel, reference, data,
                                      occurred_at, created_at, relayed_at)
    SELECT n, %(merchant)s, CASE WHEN p %% 5 = 0 THEN NULL ELSE c.id END,
           CASE WHEN p %% 5 = 0 THEN 'visitor-' || md5(p::text) ELSE '' END,
           (%(kinds)s::text[])[1 + (n * 2654435761 %% 10)::int],
           (ARRAY['web', 'web', 'store', 'email'])[1 + (n * 40503 %% 4)::int], '', '{"path": "/"}',
           now() - ((n * 7919 %% 6912000) || ' seconds')::interval, now(), now()
    FROM (SELECT n, n * 48271 %% %(people)s AS p FROM generate_series(1::bigint, %(touches)s) AS n) x
    LEFT JOIN customers_customer c ON c.id = x.p AND c.merchant_id = %(merchant)s"""
PEOPLE = """
    INSERT INTO customers_customer
        (id, merchant_id, name, status, birthday, language, referral_code, written, created_at)
    SELECT n, %s, 'Person ' || n, 'active', '', '', n::text, '{}', now() FROM generate_series(0, %s) AS n"""
KINDS = ["page.viewed"] * 3 + ["product.viewed"] * 2 + [
    "basket.updated", "checkout.started", "purchase.recorded", "review.posted", "message.opened",
]  # fmt: skip
STEPS = ["page.viewed", "product.viewed", "basket.updated", "checkout.started"]


def main(touches: int) -> None:
    """Print as JSON how many seconds each question took."""
    django.setup()
    from django.db import connection

    from bench.shop import SLUG
    from insights import journey_map, journeys, lead_ups, stages
    from insights.journeys import Scope
    from merchants.models import Merchant

    merchant = Merchant.objects.get(slug=SLUG)
    people = touches // 5
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE, [merchant.pk, people])
        cursor.execute(FILL, {"merchant": merchant.pk, "kinds": KINDS, "people": people, "touches": touches})
        cursor.execute("VACUUM ANALYZE")  # what autovacuum does within a minute
    until = datetime.now(UTC)
    scope = Scope(merchant, until - timedelta(days=90), until)
    found: dict[str, float] = {}

    def timed(name: str, act: object) -> None:
        started = time.perf_counter()
        act()  # type: ignore[operator]
        found[name] = round(time.perf_counter() - started, 3)

    each = {kind: [kind] for kind in dict.fromkeys(KINDS)}
    timed("dfg", lambda: journeys.follow(scope, each))
    steps = {kind: [kind] for kind in STEPS}
    timed("funnel", lambda: journeys.funnel(scope, steps, within=timedelta(days=30)))
    timed("ways", lambda: journeys.ways(scope, each))
    timed("journey_map", lambda: journey_map.make(scope, stages.DEFAULT))
    timed("attribution", lambda: lead_ups.paths(scope, stages.DEFAULT))
    sys.stdout.write(orjson.dumps(found).decode() + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
