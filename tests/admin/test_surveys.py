"""The surveys of the admin: written per language, looked at, judged by results; comments for staff."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.identifiers import Given
from engagement.models import Survey, SurveyAnswer
from loyalty import members
from tests.engagement.asking import ask, say

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {
    "name": "Taste", "code": "taste", "kind": "nps", "is_on": "on", "asks_comment": "on", "valid_days": "30",
    "question_en": "How was it?", "thanks_en": "Thanks.", "choices_en": "", "question_de": "Wie war es?",
    "thanks_de": "", "choices_de": "", "question_pt": "", "thanks_pt": "", "choices_pt": "",
}  # fmt: skip


def page(name, *args, model="survey"):
    return reverse(f"admin:engagement_{model}_{name}", args=args)


@pytest.fixture
def survey(cafe, program):
    return ask(cafe)


def test_a_survey_is_written_in_the_languages_it_is_asked_in(desk, cafe):
    desk.post(page("add"), FORM)

    survey = Survey.objects.get()
    assert (survey.merchant, survey.kind) == (cafe, "nps")
    assert survey.texts == {
        "en": {"question": "How was it?", "thanks": "Thanks."},
        "de": {"question": "Wie war es?", "thanks": ""},
    }
    assert b"Wie war es?" in desk.get(page("change", survey.pk)).content
    assert b"Wie war es?" in desk.get(page("preview", survey.pk)).content


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"question_en": "", "question_de": ""}, b"in one language at least"),
        ({"kind": "choice", "choices_en": "a"}, b"Two to ten choices"),
        ({"kind": "choice", "choices_en": "a\nb", "choices_de": "a\nb\nc"}, b"Two to ten choices"),
    ],
)
def test_what_cannot_be_asked_is_refused(desk, cafe, change, why):
    assert why in desk.post(page("add"), FORM | change).content
    assert not Survey.objects.exists()


def test_choices_keep_their_place(desk, cafe):
    survey = ask(cafe, kind="choice", choices=("Taste", "Price", "Place"))
    said = {**FORM, "question_de": "", "choices_en": "Taste\nPrice"}
    more = {**FORM, "question_de": "", "choices_en": "Taste\nPrice\nPlace\nPeople"}

    assert b"answers keep their place" in desk.post(page("change", survey.pk), said).content
    desk.post(page("change", survey.pk), more)
    survey.refresh_from_db()
    assert (survey.texts["en"]["choices"], survey.code) == (
        ["Taste", "Price", "Place", "People"],
        "recommend",
    )


def test_results_say_how_sure_they_are(desk, survey, cafe, ana, noon):
    def shown():
        return desk.get(f"{page('results', survey.pk)}?days=").content.decode()

    assert "Nobody answered in this time." in shown()
    for number in range(29):
        say(survey, ana, 10 if number % 2 else 3, noon, f"A-{number}")
    assert "not enough answers" in shown()
    say(survey, ana, 10, noon, "A-29")

    # 15 promoters and 15 detractors of 30: SE = 100 sqrt(1/30) = 18.3
    assert "+0" in shown()
    assert "-36 … +36 (± 18.3)" in shown()


def test_staff_read_and_answer_comments_and_the_start_page_says_who_waits(desk, survey, ana, noon):
    unhappy = say(survey, ana, 2, noon, "S-1", comment="Cold coffee")
    say(survey, ana, 10, noon, "S-2", comment="Lovely")
    waiting = "Unhappy customers whose answer nobody has read"
    assert waiting in desk.get("/admin/").content.decode()
    listed = desk.get(f"{page('changelist', model='surveyanswer')}?state__exact=new").content.decode()
    assert "Cold coffee" in listed
    assert "Lovely" in listed

    for action, state in (("mark_read", "read"), ("mark_answered", "answered")):
        said = {"action": action, "_selected_action": [str(unhappy.pk)]}
        desk.post(page("changelist", model="surveyanswer"), said)
        unhappy.refresh_from_db()
        assert (unhappy.state, bool(unhappy.handled_by)) == (state, True)


def test_an_analyst_reads_answers_and_marks_none(sit_down, analyst, survey, ana, noon):
    kept = say(survey, ana, 2, noon, "S-1", comment="Cold coffee")
    said = {"action": "mark_read", "_selected_action": [str(kept.pk)]}
    browser = sit_down(analyst)

    assert b"Cold coffee" in browser.get(page("change", kept.pk, model="surveyanswer")).content
    browser.post(page("changelist", model="surveyanswer"), said)
    assert SurveyAnswer.objects.get().state == "new"


def test_nobody_marks_another_shops_answer(desk, next_door):
    theirs = SurveyAnswer.objects.get(merchant=next_door)
    desk.post(
        page("changelist", model="surveyanswer"),
        {"action": "mark_read", "_selected_action": [str(theirs.pk)]},
    )

    theirs.refresh_from_db()
    assert theirs.state == "new"
    for door in ("results", "preview"):
        assert desk.get(page(door, theirs.survey_id)).status_code == 302


def test_a_list_of_answers_costs_the_same_for_many(desk, survey, cafe, noon):
    def cost(numbers):
        for number in numbers:
            card = Given("card", f"4300000{number:03}")
            who = members.enroll(merchant=cafe, identifiers=[card], at=noon, by="test")
            say(survey, who, 5, noon, f"S-{number}", comment="hm")
        with CaptureQueriesContext(connection) as seen:
            assert (
                desk.get(page("changelist", model="surveyanswer")).content.count(b"hm</td>")
                == numbers[-1] + 1
            )
        return len(seen)

    cost([0])
    assert cost(range(1, 3)) == cost(range(3, 12))
