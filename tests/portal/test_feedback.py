"""The page behind a survey's link: looking records nothing, pressing the button once does."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from engagement.models import SurveyAnswer, SurveyInvitation
from engagement.surveys import asking
from tests.engagement.asking import QUESTION, ask, invite
from tests.portal.visitor import sign_in

pytestmark = [pytest.mark.core, pytest.mark.django_db]


@pytest.fixture
def survey(cafe, program):
    return ask(cafe)


@pytest.fixture
def link(survey, ana):
    return f"/cafe-mira/feedback/{asking.token(invite(survey, ana, timezone.now()))}"


@pytest.fixture
def stranger():
    """A browser that nobody signed in with, which insists on form tokens like a real one."""
    return Client(enforce_csrf_checks=True, headers={"accept-language": "en"})


def test_a_scanner_that_follows_every_link_answers_nothing(stranger, link):
    for score in range(11):
        page = stranger.get(f"{link}?score={score}")
        stranger.head(f"{link}?score={score}")
        assert f'value="{score}" checked' in page.content.decode()

    assert not SurveyAnswer.objects.exists()
    assert SurveyInvitation.objects.get().answered_at is None


def test_one_press_answers_and_the_page_says_thank_you(stranger, link, ana):
    assert QUESTION in stranger.get(link).content.decode()
    done = stranger.post(link, {"score": "9", "comment": "Good\r\ncoffee"}, follow=True)

    assert "We read every answer." in done.content.decode()
    answer = SurveyAnswer.objects.get()
    assert (answer.customer, answer.score, answer.comment, answer.language) == (ana, 9, "Good\ncoffee", "en")
    assert "Your answer has arrived" in stranger.get(link).content.decode()


def test_a_second_tap_is_harmless_and_another_answer_does_not_count(stranger, link):
    stranger.post(link, {"score": "9"})
    assert stranger.post(link, {"score": "9"}).status_code == 302
    other = stranger.post(link, {"score": "1"})

    assert (other.status_code, SurveyAnswer.objects.get().score) == (409, 9)
    assert "your first answer counts" in other.content.decode()


def test_nothing_chosen_is_said_beside_what_was_written(stranger, link):
    for score in ("", "12", "-1", "²", "9" * 50):
        page = stranger.post(link, {"score": score, "comment": "<b>hm</b>"})
        assert page.status_code == 400
        assert "Please choose one of the answers." in page.content.decode()
        assert "&lt;b&gt;hm&lt;/b&gt;" in page.content.decode()


def test_links_that_open_nothing_say_what_to_do(stranger, link, bar_nilo, survey):
    token = link.rpartition("/")[2]
    for address, status in ((f"{link}x", 404), (f"/bar-nilo/feedback/{token}", 404)):
        page = stranger.get(address)
        assert (page.status_code, "reply to the message" in page.content.decode()) == (status, True)
        assert QUESTION not in page.content.decode()
    SurveyInvitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert stranger.get(link).status_code == stranger.post(link, {"score": "9"}).status_code == 410
    assert not SurveyAnswer.objects.exists()


def test_the_first_page_offers_a_question_that_waits(client, survey, ana, link, bar_nilo):
    sign_in(client, ana)
    assert link in client.get("/cafe-mira").content.decode()
    Client().post(link, {"score": "9"})

    assert link not in client.get("/cafe-mira").content.decode()
