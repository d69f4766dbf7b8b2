"""Surveys at the till: what is asked, and what a customer answered."""

import pytest

from engagement.models import SurveyAnswer
from tests.api.conftest import V1
from tests.engagement.asking import ask

pytestmark = pytest.mark.core


@pytest.fixture
def survey(cafe):
    return ask(cafe)


@pytest.fixture
def tell(till, ana, survey):
    def send(of="recommend", **more):
        said = {"customer": ana.public_id, "score": 3, "comment": "Cold\ncoffee", "reference": "S-1", **more}
        return till.post(f"{V1}/surveys/{of}/answers", said)

    return send


def test_a_till_reads_what_it_may_ask(till, outsider_till, survey, cafe, django_assert_max_num_queries):
    ask(cafe, code="taste", kind="choice", choices=("Taste", "Price"))
    ask(cafe, code="off", is_on=False)
    found = till.get(f"{V1}/surveys").json()["results"]

    assert [one["code"] for one in found] == ["recommend", "taste"]
    assert found[0]["question"]["de"] == "Empfehlen Sie uns weiter?"
    assert [point["score"] for point in found[0]["scale"]] == list(range(11))
    assert found[1]["scale"] == [{"score": 1, "label": "Taste"}, {"score": 2, "label": "Price"}]
    assert outsider_till.get(f"{V1}/surveys").json()["results"] == []


def test_an_answer_is_kept_and_told_twice_is_one(tell, survey, ana):
    first, again = tell(), tell(of=survey.public_id)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["band"] == "detractor"
    assert first.json()["comment"] == "Cold\ncoffee"
    assert SurveyAnswer.objects.get().channel == "till"


def test_refusals_have_names(tell, survey):
    assert tell(of="nothing").status_code == 404
    assert (tell(score=11).status_code, tell(score=11).json()["code"]) == (400, "invalid_answer")
    assert tell(score=11).json()["errors"][0]["pointer"] == "/score"
    assert tell(score="9").status_code == 400
    assert tell().status_code == 201
    assert (tell(score=4).status_code, tell(score=4).json()["code"]) == (409, "reference_reused")
    survey.is_on = False
    survey.save()
    assert tell(reference="S-2").json()["code"] == "survey_closed"
