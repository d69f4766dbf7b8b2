"""What answers come to: the formulas against figures made by hand, and groups against the database."""

import math
from datetime import timedelta

import pytest

from customers.identifiers import Given
from customers.models import Segment, SegmentMember
from engagement.surveys import results, scores
from loyalty import members
from tests.engagement.asking import ask, invite, say

pytestmark = pytest.mark.core


def test_nps_and_its_error():
    # 50 promoters, 30 passives, 20 detractors: NPS 30, SE = 100 sqrt((.7 - .09)/100) = 7.81
    found = scores.nps({10: 40, 9: 10, 8: 20, 7: 10, 6: 5, 0: 15})

    assert (found.answers, found.value) == (100, 30)
    assert found.error == pytest.approx(7.8102, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((14.692, 45.308), abs=1e-3)


def test_the_error_is_that_of_a_mean_of_plus_one_zero_and_minus_one():
    counts = {9: 33, 7: 41, 3: 17}
    values = [1] * 33 + [0] * 41 + [-1] * 17
    middle = sum(values) / len(values)
    spread = math.sqrt(sum((value - middle) ** 2 for value in values) / len(values))

    assert scores.nps(counts).error == pytest.approx(100 * spread / math.sqrt(len(values)))


@pytest.mark.parametrize("formula", [scores.nps, scores.mean])
def test_too_few_answers_have_no_interval(formula):
    assert formula({}) == scores.Score(0)
    few, enough = formula({9: 15, 3: 14}), formula({9: 15, 3: 15})

    assert (few.is_enough, few.low, few.error) == (False, None, None)
    assert few.value is not None
    assert enough.is_enough
    assert enough.low < enough.value < enough.high


def test_answers_that_are_all_alike_tell_no_spread():
    assert (scores.nps({10: 50}).value, scores.nps({10: 50}).low) == (100, None)


def test_an_interval_stays_on_the_scale():
    assert scores.nps({10: 39, 0: 1}).high == 100


def test_a_share_has_wilsons_interval():
    found = scores.share(45, 50)

    assert found.value == 90
    assert (found.low, found.high) == pytest.approx((78.64, 95.65), abs=0.01)
    assert scores.share(50, 50).low == pytest.approx(92.87, abs=0.01)
    assert scores.share(3, 5).low is None


@pytest.mark.django_db
def test_results_by_group_cost_seven_statements(cafe, program, ana, noon, django_assert_num_queries):
    survey = ask(cafe)
    regulars = Segment.objects.create(
        merchant=cafe, code="regulars", name="Regulars", rule={"all": []}, changed_at=noon
    )
    SegmentMember.objects.create(merchant=cafe, segment=regulars, customer=ana, entered_at=noon)
    zoe = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000097")], at=noon, by="test")
    for number in range(3):
        say(survey, ana, 10, noon - timedelta(days=31 * number), f"A-{number}")
        say(survey, zoe, 2, noon, f"Z-{number}", comment="no", channel="kiosk")
    say(survey, zoe, 0, noon - timedelta(days=400), "old")
    invite(survey, ana, noon)

    with django_assert_num_queries(7):
        found = results.of(survey, since=noon - timedelta(days=365))

    assert (found.everybody.answers, found.everybody.score.value) == (6, 0)
    assert {one.name: one.counts for one in found.segments} == {"Regulars": {10: 3}}
    assert {one.name: one.answers for one in found.channels} == {"till": 3, "kiosk": 3}
    assert {one.name: one.answers for one in found.tiers} == {"Bronze": 6}
    assert [one.answers for one in found.months] == [1, 1, 4]
    assert (found.asked, found.answered, found.words) == (1, 0, 3)
    assert results.of(survey, since=None).everybody.answers == 7
