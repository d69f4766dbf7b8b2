"""Shared points in a real browser: the question, the pool, a mistake, also without a script."""

import os

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from customers.identifiers import Given
from loyalty import adjustments, households, members
from loyalty.models import Program
from tests.browser.test_portal import (  # noqa: F401 - fixtures
    SIZES,
    assert_fit_for_everybody,
    mia,
    session_of,
    shop,
    visit,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def home(shop, program):  # noqa: F811
    """Zoe's household, that Mia is asked to join."""
    now = timezone.now()
    Program.objects.filter(pk=program.pk).update(extras={"transfers": {"household": True, "take_out": True}})
    zoe = members.enroll(merchant=shop, name="Zoe", identifiers=[Given("card", "41")], at=now, by="test")
    return households.create(
        customer=zoe, name="The Silvas", reference="HH-1", at=now, by="till", agreed="till"
    ).household


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sharing_points_is_fit_for_everybody(visit, mia, home, size, scheme):  # noqa: F811
    now = timezone.now()
    adjustments.adjust(customer=mia, points=50, reason="x", reference="A-9", by="test", at=now)
    households.invite(household=home, customer=mia, at=now, by="till")
    page = visit(size, scheme, mia)
    folder = os.environ.get("SCREENSHOTS")

    def keep(name):
        if folder:
            page.screenshot(path=f"{folder}/household-{name}-{size}-{scheme}.png", full_page=True)

    assert_fit_for_everybody(page, "/cafe-mira/household")
    keep("asked")
    page.get_by_role("button", name="Yes, share").click()
    expect(page.get_by_text("You share points now.")).to_be_visible()
    assert_fit_for_everybody(page, "/cafe-mira/household")
    page.get_by_label("How many points").fill("100000")
    page.get_by_role("button", name="Into the pool").click()
    expect(page.get_by_text("You do not have enough points")).to_be_visible()
    keep("mistake")
    page.get_by_label("How many points").fill("20")
    page.get_by_role("button", name="Into the pool").click()
    expect(page.get_by_text("The points are in the pool.")).to_be_visible()
    keep("pool")

    assert households.read(household=home, at=timezone.now()).points == 20


def test_it_works_without_a_script(visit, mia, home):  # noqa: F811
    households.invite(household=home, customer=mia, at=timezone.now(), by="till")
    page = visit(customer=mia, java_script_enabled=False)

    page.goto("/cafe-mira/household")
    page.get_by_role("button", name="Yes, share").click()
    page.get_by_role("button", name="Leave").click()

    assert households.of(customer=mia) is None
