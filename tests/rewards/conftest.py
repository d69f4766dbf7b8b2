"""What the tests of rewards share: a shelf, a purse, and a till that redeems."""

from datetime import UTC, datetime

import pytest

from loyalty import purchases
from loyalty.sale import Sale
from rewards import redemptions
from rewards.models import Reward

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


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
