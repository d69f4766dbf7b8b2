"""The card of the benefits in a real browser: fit for everybody."""

import os

import pytest
from django.utils import timezone

from rewards import perks
from tests.browser.test_portal import (  # noqa: F401 - fixtures
    SIZES,
    assert_fit_for_everybody,
    mia,
    session_of,
    shop,
    visit,
)
from tests.rewards.giving import OAT, WELCOME, buy, promise

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BRONZE = [
    OAT,
    {"kind": "benefit", "name": "Free cake", "id": "cake", "limit": {"times": 2, "per": "month"}},
    {
        "kind": "benefit",
        "name": "A whole morning with the roaster and a friend",
        "id": "roast",
        "limit": {"times": 1, "per": "membership_year"},
    },
]
GOLD = [{"kind": "benefit", "name": "Free delivery"}, {"kind": "benefit", "name": "New beans a week early"}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_the_card_of_the_benefits_is_fit_for_everybody(visit, mia, size, scheme):  # noqa: F811
    promise(mia.merchant, Bronze=BRONZE, Silver=[WELCOME], Gold=GOLD)
    now = timezone.now()
    buy(mia, 600, "M-99", now)
    perks.use(customer=mia, perk="roast", reference="P-1", at=now, by="till")
    page = visit(size, scheme, mia)

    assert_fit_for_everybody(page, "/cafe-mira")

    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/benefits-{size}-{scheme}.png", full_page=True)
