"""`surveys` in a program file: applied, exported, switched off, and faults with the line."""

import pytest

from engagement.models import Survey
from engagement.surveys.section import KindIsFixed
from loyalty import program_file
from loyalty.program_faults import BadProgramFile

pytestmark = [pytest.mark.core, pytest.mark.django_db]

FILE = """\
merchant: {slug: cafe-flor, name: Café Flor, currency: EUR, timezone: Europe/Lisbon, country: PT}
program:
  name: Flor
  earning: [{id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}}]
"""
SURVEYS = """\
  surveys:
    - {id: recommend, name: Recommend, kind: nps, question: {en: "How likely?", pt: "Recomenda?"}, thanks: {en: Thanks}}
    - {id: best, name: Best, kind: choice, question: {en: "What?"}, choices: {en: [Cake, Tea]}, comment: false}
"""


def apply(text, noon):
    return program_file.apply(text=text, at=noon, by="test")


def test_surveys_are_made_and_say_the_same_again(noon):
    assert apply(FILE + SURVEYS, noon)

    assert apply(FILE + SURVEYS, noon) == []
    assert apply(program_file.export(merchant="cafe-flor"), noon) == []
    assert apply(FILE, noon) == []
    assert Survey.objects.get(code="best").texts["en"]["choices"] == ["Cake", "Tea"]


def test_one_that_is_left_out_is_off_and_comes_back(noon):
    apply(FILE + SURVEYS, noon)
    assert apply(FILE + "  surveys: []\n", noon)

    assert set(Survey.objects.values_list("is_on", flat=True)) == {False}
    assert apply(FILE + "  surveys: []\n", noon) == []
    assert apply(FILE + SURVEYS, noon)
    assert set(Survey.objects.values_list("is_on", flat=True)) == {True}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("kind: nps", "kind: guess", r"line 6.*kind must be one of choice, nps"),
        ("[Cake, Tea]", "[Cake]", r"line 7.*choices"),
        (", choices: {en: [Cake, Tea]}", "", r"line 7.*as many in each language"),
        ("id: best", "id: recommend", r"line 7.*two surveys have the id"),
    ],
)
def test_a_fault_has_its_line(noon, before, after, why):
    with pytest.raises(BadProgramFile, match=why):
        apply(FILE + SURVEYS.replace(before, after), noon)


def test_the_kind_of_one_stays(noon):
    apply(FILE + SURVEYS, noon)

    with pytest.raises(KindIsFixed):
        apply(FILE + SURVEYS.replace("kind: nps", "kind: stars"), noon)
