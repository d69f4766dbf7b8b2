"""The reports in a real browser: drawn without a complaint, light and dark, and fit for everybody."""

import os
from datetime import timedelta

import numpy as np
import pytest
from playwright.sync_api import expect

from insights import snapshots
from tests.admin.test_browser import check, page, sign_in  # noqa: F401 - a fixture
from tests.insights.shops import fill, random_days

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PAGES = {
    "value": "/admin/insights/clvrun/?by=cohort",
    "retention": "/admin/insights/retentionsnapshot/?by=cohort",
}


def shoot(page, name):  # noqa: F811
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)


def test_the_reports_are_drawn_and_clean(page, owner, cafe, noon):  # noqa: F811
    sign_in(page, owner)
    for name, address in PAGES.items():
        check(page, address)
        shoot(page, f"empty-{name}")
    who, day, spent = random_days(1, rows=3_000)
    fill(cafe, who, day, np.abs(spent) + 100, starts=noon.date() - timedelta(days=800))
    snapshots.refresh(merchant=cafe, at=noon)

    for name, address in PAGES.items():
        check(page, address)
        figures = page.locator("figure[data-chart]")
        expect(figures.locator("svg").first).to_be_visible()
        assert figures.count() == figures.locator("svg").count() >= 2
        shoot(page, name)
        page.evaluate("document.documentElement.classList.toggle('dark')")
        page.wait_for_timeout(200)
        shoot(page, f"{name}-dark")
        figures.locator("summary").first.click()
        expect(figures.locator("table").first).to_be_visible()
