"""The pages of campaigns and experiments in a real browser: with data, empty, and on a fault."""

import pytest
from django.urls import reverse

from engagement import campaigns
from engagement.experiments import Sums
from engagement.models import ChannelSettings, Experiment
from tests.admin.test_browser import page, sign_in
from tests.admin.test_campaigns import measured
from tests.admin.test_flows_browser import look
from tests.engagement.campaigning import draft, launch, people, write_all

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_pages_of_campaigns_are_clean(page, cafe, noon, owner):
    ChannelSettings.objects.create(merchant=cafe, kind="sms", options={})
    people(cafe, 3, noon)
    people(cafe, 2, noon, says=())
    running = launch(
        cafe, noon, channels=["email", "post"], holdout=10,
        arms=campaigns.arms(template="welcome", other="birthday"),
    )  # fmt: skip
    write_all(noon)
    goal = {"A": Sums(900, 180, 180), "B": Sums(900, 190, 190), "holdout": Sums(200, 10, 10)}
    revenue = {
        "A": Sums(900, 9e5, 2e9, 8e5, 1.5e9, 1.4e9),
        "B": Sums(900, 9e5, 2e9, 8e5, 1.5e9, 1.4e9),
        "holdout": Sums(200, 1e5, 2e8, 1.7e5, 3e8, 1.5e8),
    }
    measured(running.experiment, noon, goal=goal, revenue=revenue)
    waiting = draft(cafe, noon, name="Autumn")
    offer = Experiment.objects.create(
        merchant=cafe, slug="offer", name="Offer", arms=[{"name": "A", "weight": 1}], created_at=noon
    )
    sign_in(page, owner)

    def at(name, *args, model="campaign"):
        return reverse(f"admin:engagement_{model}_{name}", args=args)

    for address in (
        at("changelist"),
        at("add"),
        at("change", running.pk),
        at("change", waiting.pk),
        at("results", running.pk),
        at("start", waiting.pk),
        at("stop", running.pk),
        at("changelist", model="experiment"),
        at("add", model="experiment"),
        at("change", offer.pk, model="experiment"),
        at("results", offer.pk, model="experiment"),
    ):
        look(page, address)

    page.goto(at("add"))
    page.fill("[name=name]", "Winter")
    page.fill("[name=text]", "no-such-text")
    page.click("[name=_save]")
    assert "There is no text no-such-text" in page.inner_text("body")
