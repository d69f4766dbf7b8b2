"""The page of a survey in a real browser: fit for everybody, answered with the keyboard, without a script."""

import os

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from engagement.models import SurveyAnswer
from engagement.surveys import asking
from tests.browser.test_portal import (  # noqa: F401 - fixtures
    SIZES,
    assert_fit_for_everybody,
    mia,
    session_of,
    shop,
    visit,
)
from tests.engagement.asking import QUESTION, ask, invite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KINDS = {"nps": (), "stars": (), "choice": ("Taste", "Price and value"), "yes_no": (), "text": ()}


def look(page, name):
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/feedback-{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_every_page_of_a_survey_is_fit_for_everybody(visit, mia, size, scheme):  # noqa: F811
    page, now = visit(size, scheme), timezone.now()
    for kind, choices in KINDS.items():
        survey = ask(mia.merchant, code=kind, kind=kind, choices=choices)
        link = f"/cafe-mira/feedback/{asking.token(invite(survey, mia, now))}"
        assert_fit_for_everybody(page, f"{link}?score=1")
        look(page, f"{kind}-{size}-{scheme}")

    page.locator("textarea").fill("A fine place.")
    page.get_by_role("button", name="Send my answer").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert_fit_for_everybody(page, link)
    look(page, f"thanks-{size}-{scheme}")
    page.goto(f"{link}x")
    look(page, f"forged-{size}-{scheme}")


def test_the_home_page_offers_the_question(visit, mia):  # noqa: F811
    invite(ask(mia.merchant), mia, timezone.now())
    page = visit("phone", "light", mia)

    assert_fit_for_everybody(page, "/cafe-mira")
    look(page, "home")
    page.get_by_role("link", name=QUESTION).click()
    expect(page.get_by_role("radio")).to_have_count(11)


def test_it_is_answered_with_the_keyboard_and_without_a_script(visit, mia):  # noqa: F811
    survey = ask(mia.merchant)
    page = visit("phone", "light", java_script_enabled=False)
    page.goto(f"/cafe-mira/feedback/{asking.token(invite(survey, mia, timezone.now()))}")

    page.get_by_role("radio", name="0", exact=True).focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("Warm and quick.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_text("We read every answer.")).to_be_visible()
    answer = SurveyAnswer.objects.get()
    assert (answer.score, answer.comment) == (8, "Warm and quick.")
