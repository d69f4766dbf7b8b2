"""Two taps at once, and two tills with one reference: one answer, one touchpoint."""

import pytest

from customers.models import Touchpoint
from engagement.models import SurveyAnswer
from engagement.surveys import answering
from engagement.surveys.answering import AlreadyAnswered, Said
from lib.errors import ReferenceReused
from tests.cast import NOON
from tests.engagement.asking import ask, invite, say

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def survey(cafe, program):
    return ask(cafe)


def counted():
    return SurveyAnswer.objects.count(), Touchpoint.objects.filter(kind="survey.answered").count()


def test_eight_taps_on_one_link_are_one_answer(survey, ana, at_once):
    invitation = invite(survey, ana, NOON)

    said = at_once(8, lambda n: answering.answer(invitation=invitation, said=Said(9), at=NOON))

    assert {one.pk for one in said} == {SurveyAnswer.objects.get().pk}
    assert counted() == (1, 1)


def test_two_scores_on_one_link_are_one_answer_and_one_refusal(survey, ana, at_once):
    invitation = invite(survey, ana, NOON)

    said = at_once(2, lambda n: answering.answer(invitation=invitation, said=Said(n), at=NOON))

    assert sum(isinstance(one, AlreadyAnswered) for one in said) == 1
    assert counted() == (1, 1)


def test_one_reference_of_four_tills_is_one_answer(survey, ana, at_once):
    said = at_once(4, lambda n: say(survey, ana, n % 2, NOON, "S-1"))

    assert sum(isinstance(one, ReferenceReused) for one in said) == 2
    assert counted() == (1, 1)
