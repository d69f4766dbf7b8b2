"""The pages of surveys in a real browser: with answers, empty, and on a fault."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.admin.test_browser import page, sign_in
from tests.admin.test_flows_browser import look
from tests.engagement.asking import ask, invite, say

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_pages_of_surveys_are_clean(page, cafe, program, ana, owner):
    now = timezone.now()
    survey, empty = ask(cafe), ask(cafe, code="taste", kind="choice", choices=("Taste", "Price"))
    for number in range(34):
        at = now - timedelta(days=2 * number)
        kept = say(survey, ana, (10, 9, 8, 3)[number % 4], at, f"S-{number}", comment="Too slow today." * 3)
    invite(survey, ana, now)
    sign_in(page, owner)

    def at(name, *args, model="survey"):
        return reverse(f"admin:engagement_{model}_{name}", args=args)

    for address in (
        at("changelist"),
        at("add"),
        at("change", survey.pk),
        at("preview", survey.pk),
        at("results", survey.pk),
        at("results", empty.pk),
        at("changelist", model="surveyanswer"),
        at("change", kept.pk, model="surveyanswer"),
    ):
        look(page, address)

    page.goto(at("add"))
    page.fill("[name=name]", "X")
    page.fill("[name=code]", "x")
    page.click("[name=_save]")
    page.wait_for_load_state()
    assert "in one language at least" in page.content()
