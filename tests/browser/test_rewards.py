"""Rewards in a real browser: fit for everybody."""

import os

import pytest
from playwright.sync_api import expect

from rewards.models import Redemption
from tests.browser.test_portal import (  # noqa: F401 - fixtures
    SIZES,
    assert_fit_for_everybody,
    mia,
    session_of,
    shop,
    visit,
)
from tests.rewards.conftest import put_up

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_a_reward_is_redeemed_and_given_back(visit, mia, program, size, scheme):  # noqa: F811
    put_up(program, description="Of the day's own roast.")
    put_up(program, "machine", name="Espresso machine", cost=3000)
    put_up(program, "cake", name="Cake of the day", cost=50, stock=0)
    page = visit(size, scheme, mia)
    folder = os.environ.get("SCREENSHOTS")

    assert_fit_for_everybody(page, "/cafe-mira/rewards")
    if folder:
        page.screenshot(path=f"{folder}/rewards-{size}-{scheme}.png")
    page.get_by_role("link", name="Free espresso").click()
    page.wait_for_url("**/rewards/rwd_*")
    assert_fit_for_everybody(page, page.url)
    if folder:
        page.screenshot(path=f"{folder}/reward-{size}-{scheme}.png")
    page.get_by_role("button", name="Redeem").click()
    page.wait_for_url("**/rewards/mine/*")
    assert_fit_for_everybody(page, page.url)
    if folder:
        page.screenshot(path=f"{folder}/redeemed-{size}-{scheme}.png")
    page.get_by_role("button", name="Give back").click()
    expect(page.get_by_text("Your points are here again")).to_be_visible()
    assert Redemption.objects.get().status == "cancelled"
