"""The pages of journeys in a real browser: fit for everybody, empty and full, and on one sheet of paper."""

import os
import re

import pytest

from tests.admin.test_browser import check, page, sign_in  # noqa: F401 - a fixture
from tests.admin.test_journeys import ATTRIBUTION, FUNNEL, MAP, ways  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STEPS = "?step1=page.viewed&step2=basket.updated&step3=purchase.recorded&within=1"
SITES = "/admin/customers/site/"


def shoot(page, name):  # noqa: F811
    if folder := os.environ.get("SCREENSHOTS"):
        size = page.viewport_size["width"]
        page.screenshot(path=f"{folder}/{name}-{size}.png", full_page=True)


def test_the_pages_are_clean(page, owner, ways):  # noqa: F811
    sign_in(page, owner)
    for name, address in {
        "journeys": MAP,
        "funnel": FUNNEL + STEPS,
        "funnel-wrong": FUNNEL + "?step1=page.viewed&within=0",
        "attribution": ATTRIBUTION,
        "stages": MAP + "add/",
        "sites": SITES,
        "site": SITES + "add/",
    }.items():
        check(page, address)
        shoot(page, name)


def test_an_empty_map_is_clean(page, owner, cafe):  # noqa: F811
    sign_in(page, owner)
    check(page, MAP)
    shoot(page, "journeys-empty")


def test_a_site_shows_its_secret_once(page, owner, cafe):  # noqa: F811
    sign_in(page, owner)
    page.goto(SITES + "add/")
    page.fill("[name=name]", "Shop")
    page.fill("[name=origins]", "https://shop.example")
    page.click("main button[type=submit]")
    assert page.text_content("#secret").startswith("ss_")
    assert "/t/touch.js" in page.text_content("#snippet")
    shoot(page, "site-issued")


def test_the_map_fits_on_one_sheet(page, owner, ways):  # noqa: F811
    sign_in(page, owner)
    page.goto(MAP)
    sheet = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
