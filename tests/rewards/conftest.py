"""What the tests of rewards share: a shelf, a purse, a till that redeems, and vouchers of the café."""

import itertools
from datetime import UTC, datetime

import pytest

from lib import db
from loyalty import purchases
from loyalty.sale import Sale
from rewards import pools, redemptions, vouchers
from rewards.models import CodePool, Reward

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
COFFEE = {"kind": "free_item", "item": "Coffee"}


def put_up(program, code="espresso", **more):
    """A reward of the program: a free espresso for 100 points, unless more is said."""
    said = {"name": "Free espresso", "kind": "voucher", "cost": 100, "valid_days": 30, **more}
    said.setdefault("stock_total", said.get("stock"))
    return Reward.objects.create(merchant=program.merchant, program=program, code=code, **said)


def fill(customer, points, *, at=NOON, reference="FILL"):
    """Let the customer earn so many points at `at`, by a purchase."""
    sale = Sale(reference, "EUR", points * 100, at, customer_id=customer.pk)
    purchases.record(merchant=customer.merchant, sale=sale, at=at)


@pytest.fixture
def espresso(program):
    return put_up(program)


@pytest.fixture
def rich(ana):
    """Ana with 250 points."""
    fill(ana, 250)
    return ana


@pytest.fixture
def redeem(noon):
    """`redeem(ana, espresso)` redeems once under a number of its own."""
    count = iter(range(1, 10_000))

    def act(customer, reward, reference="", **more):
        said = {"reference": reference or f"X-{next(count)}", "at": noon, "by": "till", **more}
        return redemptions.redeem(customer=customer, reward=reward, **said)

    return act


@pytest.fixture
def issue(cafe, ana, noon):
    """`issue()` gives Ana a voucher; `issue(customer=None)` is for whoever shows it."""
    count = itertools.count(1)

    def give(**more):
        said = {"merchant": cafe, "name": "Free coffee", "worth": COFFEE, "origin": "perk", "customer": ana}
        said |= {"at": noon, "by": "test", "reference": f"perk-{next(count)}"}
        return db.command(vouchers.issue)(**(said | more))

    return give


@pytest.fixture
def use(cafe, noon):
    """`use(code)` takes a voucher at the till."""
    count = itertools.count(1)

    def take(code, **more):
        said = {"merchant": cafe, "code": code, "reference": f"U-{next(count)}", "at": noon, "by": "till"}
        return vouchers.redeem(**(said | more))

    return take


@pytest.fixture
def pool(cafe):
    return CodePool.objects.create(merchant=cafe, code="cinema", name="Cinema tickets", warns_below=3)


@pytest.fixture
def hand_out(pool, ana, noon):
    """`hand_out()` gives Ana a code of the pool."""
    count = itertools.count(1)

    def give(**more):
        said = {"pool": pool, "name": "Cinema", "worth": {}, "customer": ana, "at": noon, "by": "test"}
        said["reference"] = f"H-{next(count)}"
        return db.command(pools.hand_out)(**(said | more))

    return give
