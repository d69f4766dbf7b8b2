"""The journey map against a plain reading of the same touches, and what keeps it quick."""

from collections import Counter
from datetime import timedelta

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers import changes
from insights import journey_map, lead_ups, passages, stages
from insights.journeys import Scope
from insights.models import JourneySnapshot
from insights.passages import Passage
from lib import db
from loyalty import purchases
from tests.insights.test_journeys import by_person, scope, told, touches  # noqa: F401 - fixtures

pytestmark = [pytest.mark.core, pytest.mark.django_db]
STAGES = {"look": ["page.viewed"], "want": ["basket.updated", "checkout.started"], "buy": ["order.placed"]}
PLACE = {kind: place for place, kinds in enumerate(STAGES.values()) for kind in kinds}

same = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@same
@given(rows=touches)
def test_passages_are_what_a_plain_reading_finds(told, scope, rows):  # noqa: F811
    expected = Counter()
    for own in by_person(told(rows)):
        first = {}
        for _who, kind, _at, channel in own:
            first.setdefault(PLACE[kind], channel)
        expected[tuple(first.get(place) for place in range(3))] += 1

    found = passages.passages(scope, STAGES)

    assert {one.channels: one.people for one in found} == expected


lists = st.lists(
    st.builds(
        Passage,
        st.tuples(*[st.sampled_from([None, "web", "store", ""])] * 3),
        st.integers(1, 50),
        st.integers(0, 9000),
    ),
    max_size=12,
)


@given(lists)
def test_nobody_is_lost_or_counted_twice(found):
    map_ = journey_map.fold(list(STAGES), found)
    there = sum(one.people for one in found if one.reached)
    ended = sum(row["lost"] for row in map_["stages"]) + sum(
        one.people for one in found if one.reached and one.reached[-1] == 2
    )

    assert map_["people"] == there == ended
    for field in map_["fields"]:
        on = sum(
            row["people"]
            for row in map_["flows"]
            if (row["stage"], row["channel"]) == (field["stage"], field["channel"])
        )
        lost = sum(
            row["lost"]
            for row in map_["drop_offs"]
            if (row["stage"], row["channel"]) == (field["stage"], field["channel"])
        )
        if field["stage"] != "buy":
            assert on + lost == field["people"]


def test_drop_offs_are_ranked_by_what_they_lose():
    found = [
        Passage(("web", None, None), 10, 0),
        Passage(("store", None, None), 4, 0),
        Passage(("web", "web", "web"), 5, 10_000),
        Passage((None, "web", None), 2, 0),
        Passage((None, "web", "store"), 1, 50_000),
    ]

    map_ = journey_map.fold(list(STAGES), found)

    assert [
        (r["stage"], r["channel"], r["lost"], r["mean_minor"], r["value_minor"]) for r in map_["drop_offs"]
    ] == [
        ("look", "web", 10, 2000, 20_000),
        ("want", "web", 2, 10_000, 20_000),
        ("look", "store", 4, 2000, 8_000),
    ]
    assert map_["best_path"] == {
        "steps": [{"stage": "want", "channel": "web"}, {"stage": "buy", "channel": "store"}],
        "people": 1,
        "revenue_minor": 50_000,
    }


def test_many_channels_are_told_as_others():
    found = [Passage((f"c{n}", None, None), 20 - n, 0) for n in range(9)]

    channels = journey_map.fold(list(STAGES), found)["channels"]

    assert channels == ["other", "c0", "c1", "c2", "c3", "c4", "c5"]  # the three others are 39 people


def test_the_worth_of_who_went_on_is_what_they_spent(cafe, ana, sale, noon, told):  # noqa: F811
    told([("ANA", "page.viewed", -60, "web")])
    purchases.record(merchant=cafe, sale=sale(5000), at=noon)
    changes.follow(at=noon + timedelta(minutes=1))
    around = Scope(cafe, noon - timedelta(days=1), noon + timedelta(days=1))

    map_ = journey_map.make(around, stages.of(cafe))

    assert map_["best_path"]["revenue_minor"] > 0
    assert [row["people"] for row in map_["stages"]][:3] == [1, 0, 1]
    assert {row["kind"] for row in map_["unmapped"]} >= {"customer.enrolled"}


def test_another_merchants_people_are_not_on_the_map(cafe, bar_nilo, told, noon):  # noqa: F811
    told([("ANA", "page.viewed", 0, "web")])
    around = Scope(bar_nilo, noon - timedelta(days=1), noon + timedelta(days=1))

    assert journey_map.make(around, stages.of(bar_nilo))["people"] == 0


def test_the_page_opens_with_the_snapshot(cafe, told, noon, django_assert_num_queries):  # noqa: F811
    told([("ANA", "page.viewed", 0, "web")])
    at = noon + timedelta(hours=1)
    journey_map.snapshot_everybody(at=at)
    scope_now = Scope(cafe, at - timedelta(days=90), at)

    with django_assert_num_queries(1):
        assert journey_map.look(scope_now, days=90)["people"] == 1

    journey_map.snapshot(merchant=cafe, at=at)
    assert JourneySnapshot.objects.filter(merchant=cafe).count() == 1
    db.command(stages.save)(merchant=cafe, kinds={"awareness": ["store.visited"]})
    assert not JourneySnapshot.objects.filter(merchant=cafe).exists()


def test_an_answer_is_kept_for_ten_minutes(cafe, told, scope, noon, django_assert_num_queries):  # noqa: F811
    told([("ANA", "page.viewed", 0, "web")])
    first = journey_map.look(scope, days=30)
    told([("ANA", "page.viewed", 0, "web"), ("BEA", "page.viewed", 1, "web")])

    with django_assert_num_queries(1):  # the stages: other ones would be another answer
        assert journey_map.look(scope, days=30) == first
    cache.clear()
    assert journey_map.look(scope, days=30)["people"] == 2


def test_credit_shares_out_what_came_before_a_purchase(cafe, told, scope):  # noqa: F811
    own = {**stages.of(cafe), "decision": ["order.placed"]}
    told(
        [
            ("ANA", "page.viewed", 0, "web"),
            ("ANA", "basket.updated", 10, "store"),
            ("ANA", "order.placed", 20, "web"),
            ("ANA", "page.viewed", 30, "email"),
            ("x", "page.viewed", 0, "web"),
        ]
    )

    found = lead_ups.paths(scope, own)

    assert {(one.touches, one.converted, one.lost) for one in found} == {
        (("web", "store"), 1, 0),
        (("email",), 0, 1),
        (("web",), 0, 1),
    }
    assert lead_ups.paths(scope, {**own, "decision": []}) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"awareness": ["Page Viewed"]}, "does not read like"),
        ({"awareness": ["page.viewed"], "decision": ["page.viewed"]}, "stands in awareness already"),
        ({"arrival": ["page.viewed"]}, "must be one of"),
        ({}, "at least one kind"),
    ],
)
def test_stages_that_cannot_be(wrong, says):
    with pytest.raises(stages.BadStages, match=says):
        stages.checked(wrong)


def test_every_kind_that_is_ours_stands_in_one_default_stage():
    assert stages.checked(stages.DEFAULT) == stages.DEFAULT
