"""Recommendations at the API: ready ones with what they cost, none before the first night, never another's."""

import pytest

from insights import recommendations
from tests.api.conftest import V1
from tests.rewards.conftest import fill, put_up

pytestmark = pytest.mark.core


def test_rewards_that_can_be_had(till, cafe, ana, program, noon):
    put_up(program)
    put_up(program, "machine", cost=9000)
    fill(ana, 120)
    url = f"{V1}/customers/{ana.public_id}/recommendations"
    assert till.get(url).json() == {"rewards": [], "products": [], "as_of": None}

    recommendations.refresh(merchant=cafe, at=noon)
    said = till.get(url).json()

    assert [(one["code"], one["can_be_redeemed"]) for one in said["rewards"]] == [("espresso", True)]
    assert said["as_of"].startswith("2026-05-01T12:00:00")


def test_another_merchants_customer_is_not_found(outsider_till, ana):
    assert outsider_till.get(f"{V1}/customers/{ana.public_id}/recommendations").status_code == 404
