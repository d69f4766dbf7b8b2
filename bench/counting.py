"""How many statements and round trips the doors need, beside begin and commit; counted in this process."""

from datetime import UTC, datetime

import orjson
from django.test import Client

from bench.measures import HOOK, Results, signature
from bench.shop import Sales, Shop
from lib import db, public_ids
from loyalty import purchases


def count(shop: Shop, results: Results) -> None:
    """Count one call of each hot door, once the process has warmed up."""
    sales, client = Sales(shop, name="count"), Client(HTTP_HOST="localhost")
    till = {"HTTP_AUTHORIZATION": f"Bearer {shop.key}"}
    balance = f"/api/v1/customers/{public_ids.show('cus', shop.customers[0])}/balance"

    def purchase_http() -> int:
        body = sales.body()
        answer = client.post(
            "/api/v1/purchases",
            orjson.dumps(body),
            content_type="application/json",
            HTTP_IDEMPOTENCY_KEY=body["reference"],
            **till,
        )
        return answer.status_code

    def balance_read() -> int:
        return client.get(balance, **till).status_code

    def webhook_accept() -> int:
        _, body = sales.session()
        signed = signature(body).removeprefix("Stripe-Signature: ").strip()
        answer = client.post(HOOK, body, content_type="application/json", HTTP_STRIPE_SIGNATURE=signed)
        return answer.status_code

    def purchase() -> int:
        now = datetime.now(UTC)
        return _recorded(purchases.record_all(merchant=shop.merchant, sales=[sales.sale(at=now)], at=now))

    def purchases_1000() -> int:
        now = datetime.now(UTC)
        told = [sales.sale(at=now) for _ in range(1000)]
        return _recorded(purchases.record_all(merchant=shop.merchant, sales=told, at=now))

    for verb, expected in (
        (purchase_http, 201),
        (balance_read, 200),
        (webhook_accept, 200),
        (purchase, 1),
        (purchases_1000, 1000),
    ):
        verb()
        with db.watching() as seen:
            said = verb()
        if said != expected:
            raise RuntimeError(f"{verb.__name__}: {said}, {expected} expected")
        results.statements[verb.__name__] = seen.statements
        results.trips[verb.__name__] = seen.trips


def _recorded(receipts: list[purchases.Receipt]) -> int:
    return sum(receipt.status == "created" for receipt in receipts)
