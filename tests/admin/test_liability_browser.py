"""The liability page in a real browser: readable at every width, light and dark, with and without points."""

import os
from datetime import timedelta

import pytest

from loyalty import adjustments, purchases
from tests.admin.test_browser import check, page, sign_in  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
URL = "/admin/insights/pointsreading/"


def shoot(page, name):  # noqa: F811
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)


def test_the_page_is_clean(page, owner, cafe, ana, sale, noon):  # noqa: F811
    for month in range(5):
        at = noon - timedelta(days=30 * month)
        purchases.record(merchant=cafe, sale=sale(30_000 + month * 100, occurred_at=at), at=at)
    adjustments.adjust(customer=ana, points=-100, reason="spent", reference="A-1", at=noon, by="test")
    sign_in(page, owner)

    check(page, f"{URL}?since=2026-01-01&until=2026-05-31")
    shoot(page, "liability")
    if os.environ.get("SCREENSHOTS"):
        page.evaluate("document.documentElement.classList.add('dark')")
        shoot(page, "liability-dark")


def test_without_points_and_with_a_mistake(page, owner, cafe):  # noqa: F811
    sign_in(page, owner)

    check(page, URL)
    shoot(page, "liability-empty")
    check(page, f"{URL}?since=2026-06-01&until=2026-05-31")
    shoot(page, "liability-refused")
