"""The rule builder in a real browser: with its script it counts by itself, and nothing stands in a reader's way."""

import os

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from customers import segments
from customers.models import Segment
from lib import db
from tests.admin.test_browser import check, page, sign_in  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RULE = {
    "all": [{"kind": "reachable", "channel": "email"}, {"not": {"kind": "lifecycle", "stages": ["lapsed"]}}]
}


@pytest.fixture
def regulars(cafe, ana, noon):
    segment = Segment(merchant=cafe, code="regulars", name="Regulars", is_persona=True, face="☕")
    db.command(segments.save)(segment=segment, rule=RULE, at=noon)
    segments.refresh(segment=segment, at=noon)
    return segment


def shoot(page, name):  # noqa: F811
    if folder := os.environ.get("SCREENSHOTS"):
        size = page.viewport_size["width"]
        page.screenshot(path=f"{folder}/{name}-{size}.png", full_page=True)


def test_the_pages_are_clean(page, owner, regulars):  # noqa: F811
    sign_in(page, owner)
    change = reverse("admin:customers_segment_change", args=[regulars.pk])
    for name, address in {
        "list": "/admin/customers/segment/",
        "add": "/admin/customers/segment/add/",
        "change": change,
        "members": reverse("admin:customers_segment_members", args=[regulars.pk]),
    }.items():
        check(page, address)
        shoot(page, name)


def test_the_count_follows_what_is_typed(page, owner, regulars):  # noqa: F811
    sign_in(page, owner)
    page.goto("/admin/customers/segment/add/")
    expect(page.locator("#preview")).to_contain_text("1 customer")

    page.select_option("#new-condition", "language")
    page.click("button[name=add]")
    page.fill("[name=c0-languages]", "xx")
    expect(page.locator("#preview")).to_contain_text("0 customers")
    page.check("[name=c0-is_not]")
    expect(page.locator("#preview")).to_contain_text("1 customer")
    page.fill("[name=c0-languages]", "")
    expect(page.locator("#preview")).to_contain_text("Once the conditions can be read")

    page.fill("[name=c0-languages]", "xx")
    page.click("button[name=drop]")
    expect(page.locator(".l-condition")).to_have_count(0)
    page.select_option("#new-condition", "balance")
    page.click("button[name=add]")
    page.fill("[name=c0-at_least]", "-1")
    page.click("button[name=save]")
    shoot(page, "error")
    page.fill("[name=c0-at_least]", "0")
    page.fill("[name=name]", "Savers")
    page.fill("[name=code]", "savers")
    page.click("button[name=save]")
    page.wait_for_url("**/change/")

    assert Segment.objects.get(code="savers").rule == {"all": [{"kind": "balance", "at_least": 0}]}
    assert page.said == []
