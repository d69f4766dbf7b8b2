"""The shop that is measured: a program with tiers, a multiplier and expiry, thousands of members, one key."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
from django.core.management import call_command
from django.db import connection

from customers.identifiers import Given
from customers.people import Newcomer
from lib import public_ids
from loyalty import members, programs, purchases
from loyalty.models import EarningRule, Membership, Program, Tier, TierSet
from loyalty.purchases import Line, Sale
from merchants import keys
from merchants.models import Merchant, Store
from rewards.models import Reward

SLUG = "bench"
TOGETHER = 1_000
RICH = 5_000


@dataclass(frozen=True)
class Shop:
    """The merchant, its till's key, and the ids of its customers in the order they joined."""

    merchant: Merchant
    key: str
    customers: list[int]

    def shelf(self) -> tuple[str, list[str]]:
        """Put a voucher up for one point and give points to many; return its id and theirs."""
        program, now = self.merchant.programs.get(), datetime.now(UTC)
        reward = Reward.objects.create(
            merchant=self.merchant,
            program=program,
            code="bench",
            name="Free espresso",
            kind="voucher",
            cost=1,
            valid_days=30,
        )
        people = self.customers[:RICH]
        for start in range(0, len(people), TOGETHER):
            sales = [
                Sale(f"rich-{number}", "EUR", 100_000, now, customer_id=number)
                for number in people[start : start + TOGETHER]
            ]
            purchases.record_all(merchant=self.merchant, sales=sales, at=now)
        return reward.public_id, [public_ids.show("cus", number) for number in people]


def open_shop(*, people: int) -> Shop:
    """Migrate the database, open the shop and let `people` join it."""
    call_command("migrate", verbosity=0)
    merchant = Merchant.objects.create(
        slug=SLUG, name="Bench", currency="EUR", timezone="Europe/Lisbon", country="PT"
    )
    store = Store.objects.create(merchant=merchant, code="main", name="Main street")
    _open_program(merchant)
    key = keys.issue(merchant=merchant, store=store, till="till-1")
    now = datetime.now(UTC)
    for start in range(0, people, TOGETHER):
        members.enroll_all(
            merchant=merchant,
            people=[
                Newcomer(
                    name=f"Person {number}",
                    identifiers=(Given("card", card(number)), Given("email", email(number))),
                )
                for number in range(start, min(start + TOGETHER, people))
            ],
            at=now,
            by="bench",
        )
    # What autovacuum does within a minute: without statistics statements are planned for empty tables.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return Shop(merchant, key, _customers(merchant))


def find_shop() -> Shop:
    """Return the shop of a database that was copied from one where it was opened. It has no key."""
    merchant = Merchant.objects.get(slug=SLUG)
    return Shop(merchant, "", _customers(merchant))


def _customers(merchant: Merchant) -> list[int]:
    ids = Membership.objects.filter(merchant=merchant).order_by("pk").values_list("customer_id", flat=True)
    return list(ids)


def card(number: int) -> str:
    return f"C{number:09}"


def email(number: int) -> str:
    return f"person{number}@example.com"


def _open_program(merchant: Merchant) -> None:
    program = Program.objects.create(
        merchant=merchant, name="Bench Club", expiry_mode="age", expiry_months=24
    )
    tier_set = TierSet.objects.create(
        merchant=merchant,
        program=program,
        status="live",
        metric="points_earned",
        window="rolling_days",
        window_days=365,
    )
    # Far away: everybody's figure is computed with every sale, and no run is slowed by a rush to the next tier.
    for name, at, multiplier in (("Bronze", 0, "1"), ("Silver", 10**6, "1.25"), ("Gold", 10**7, "1.5")):
        Tier.objects.create(merchant=merchant, tier_set=tier_set, name=name, at=at, multiplier=multiplier)
    EarningRule.objects.create(
        merchant=merchant,
        program=program,
        code="base",
        kind="per_amount",
        params={"points": 1, "per_minor": {"EUR": 100}},
    )
    EarningRule.objects.create(
        merchant=merchant,
        program=program,
        code="double-bakery",
        kind="multiplier",
        params={"factor": 2, "categories": ["bakery"]},
    )
    programs.publish(program=program, at=datetime.now(UTC) - timedelta(days=3650), by="bench")
    merchant.refresh_from_db()


class Sales:
    """
    Sales to anybody, two lines each, never the same twice; the same numbers in every run.

    `name` keeps the references of one measurement apart from those of the others.
    """

    def __init__(self, shop: Shop, *, name: str):
        self.shop, self.name, self.number = shop, name, 0
        self.chance = random.Random(name)

    def _next(self) -> tuple[str, int, int, int]:
        self.number += 1
        return (
            f"{self.name}-{self.number}",
            self.chance.randrange(len(self.shop.customers)),
            self.chance.randrange(200, 3000),
            self.chance.randrange(100, 900),
        )

    def sale(self, *, at: datetime) -> Sale:
        """Return the next sale as the core takes it."""
        reference, who, coffee, cake = self._next()
        return Sale(
            reference=reference,
            currency="EUR",
            amount_minor=coffee + cake,
            occurred_at=at,
            customer_id=self.shop.customers[who],
            lines=(Line("1", coffee, category="coffee"), Line("2", cake, category="bakery")),
            channel="store",
            till="till-1",
        )

    def body(self) -> dict[str, object]:
        """Return the next sale as a till sends it."""
        reference, who, coffee, cake = self._next()
        return {
            "reference": reference,
            "customer": public_ids.show("cus", self.shop.customers[who]),
            "currency": "EUR",
            "lines": [
                {"amount_minor": coffee, "category": "coffee"},
                {"amount_minor": cake, "category": "bakery"},
            ],
            "channel": "store",
        }

    def batch(self, many: int) -> bytes:
        """Return the next `many` sales as one batch."""
        bodies = (self.body() for _ in range(many))
        return orjson.dumps(
            {"events": [{"event_id": body["reference"], "type": "purchase", "data": body} for body in bodies]}
        )

    def session(self) -> tuple[str, bytes]:
        """Return the id and the body of a Stripe event: the next sale as a paid checkout session."""
        reference, who, coffee, cake = self._next()
        amount, now = coffee + cake, int(time.time())
        session = {
            "id": f"cs_{reference}",
            "object": "checkout.session",
            "mode": "payment",
            "status": "complete",
            "payment_status": "paid",
            "payment_intent": f"pi_{reference}",
            "invoice": None,
            "customer": None,
            "client_reference_id": None,
            "customer_details": {"email": email(who), "phone": None, "name": None},
            "amount_subtotal": amount,
            "amount_total": amount,
            "currency": "eur",
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "shipping_cost": None,
            "metadata": {},
            "livemode": False,
            "created": now,
        }
        event = {
            "id": f"evt_{reference}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": now,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": "checkout.session.completed",
            "data": {"object": session},
        }
        return event["id"], orjson.dumps(event)

    def rows(self, many: int, *, at: datetime) -> Iterator[str]:
        """Yield the lines of a CSV file with the next `many` sales, over the last 300 days."""
        yield "customer,reference,occurred_at,amount_minor,category"
        for _ in range(many):
            reference, who, coffee, cake = self._next()
            when = at - timedelta(minutes=self.chance.randrange(300 * 24 * 60))
            yield f"{card(who)},{reference},{when:%Y-%m-%dT%H:%M:%SZ},{coffee + cake},coffee"
