"""What the tests of the rewards room share: vouchers of the café."""

import itertools

import pytest

from lib import db
from rewards import pools, vouchers
from rewards.models import CodePool

COFFEE = {"kind": "free_item", "item": "Coffee"}


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
