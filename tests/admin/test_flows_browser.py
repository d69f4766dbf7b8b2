"""The pages of flows in a real browser: with data, empty, and on a fault."""

import os
from pathlib import Path

import pytest
from django.urls import reverse

from customers.identifiers import Given
from engagement import gallery
from engagement.models import FlowRun
from loyalty import members
from tests.admin.test_browser import check, page, sign_in
from tests.engagement.flowing import BASKET, note, pass_to, put_on, relay

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")


def look(page, address):
    if PICTURES:
        page.goto(address)
        name = address.strip("/").replace("/", "-").partition("?")[0]
        page.screenshot(path=Path(PICTURES) / f"{name}-{page.viewport_size['width']}.png", full_page=True)
    check(page, address)


def test_the_pages_of_flows_are_clean(page, cafe, ana, noon, owner):
    flow = put_on(cafe, BASKET, noon, holdout=50)
    copied = gallery.copy(merchant=cafe, slug="tier-at-risk", at=noon, by="test")
    for number in range(12):
        card = Given("card", f"4300000{number:03}")
        one = members.enroll(merchant=cafe, identifiers=[card], at=noon, by="test")
        note(one, "basket.updated", noon, basket=f"B-{number}")
    relay(noon)
    pass_to(noon)
    run = FlowRun.objects.filter(state="waiting").first()
    sign_in(page, owner)

    def at(name, *args):
        return reverse(f"admin:engagement_flow_{name}", args=args)

    for address in (
        at("changelist"),
        at("gallery"),
        at("add"),
        at("change", flow.pk),
        at("results", flow.pk),
        at("results", copied.pk),
        at("switch-off", flow.pk),
        f"{at('preview', flow.pk)}?customer={ana.public_id}",
        reverse("admin:engagement_flowrun_changelist"),
        reverse("admin:engagement_flowrun_change", args=[run.pk]),
    ):
        look(page, address)

    page.goto(at("add"))
    page.fill("[name=text]", "id: x\nname: X\ntrigger: {touchpoint: a.b}\nsteps: [{wait: soon}]\n")
    page.click("[name=_save]")
    page.wait_for_load_state()
    assert "30m, 12h, 3d or 2w" in page.content()
