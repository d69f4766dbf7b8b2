"""What follows what, how far people get: the database's answer against a plain reading of the same touches."""

import statistics
from collections import Counter
from datetime import timedelta
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers import journey
from customers.identifiers import Given
from customers.models import Touchpoint
from insights import journeys
from insights.journeys import Scope
from lib import db
from loyalty import members

pytestmark = [pytest.mark.core, pytest.mark.django_db]

KINDS = ["page.viewed", "basket.updated", "checkout.started", "order.placed"]
EACH = {kind: [kind] for kind in KINDS}
AN_HOUR = timedelta(hours=1)

# Who (a name; one in lower case is anonymous), what, minutes after noon, where.
touches = st.lists(
    st.tuples(
        st.sampled_from(["ANA", "BEA", "x"]),
        st.sampled_from(KINDS),
        st.integers(0, 40).map(lambda step: step * 10),
        st.sampled_from(["web", "store"]),
    ),
    max_size=25,
)


@pytest.fixture
def told(cafe, ana, noon):
    """`told([("ANA", kind, minutes, channel), ...])` writes touches and returns them in the order of reading."""

    bea = members.enroll(merchant=cafe, identifiers=[Given("card", "4000000002")], at=noon, by="test")

    def write(rows):
        Touchpoint.objects.filter(merchant=cafe, kind__in=KINDS).delete()
        people = {"ANA": ana.pk, "BEA": bea.pk}
        made = [
            journey.row(
                merchant_id=cafe.pk,
                customer_id=people.get(who),
                anonymous_id="" if who in people else who,
                kind=kind,
                channel=channel,
                at=noon + timedelta(minutes=minutes),
                now=noon,
            )
            for who, kind, minutes, channel in rows
        ]
        db.command(lambda: journey.note_all(made))()
        order = sorted(zip(rows, made, strict=True), key=lambda pair: (pair[1]["occurred_at"], pair[1]["id"]))
        return [row for row, _made in order]

    return write


@pytest.fixture
def scope(cafe, noon):
    return Scope(cafe, noon - timedelta(days=1), noon + timedelta(days=1))


def by_person(rows):
    found = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found.values()


def furthest_start(own, steps, within):
    """The times of the start that got furthest, by trying every start."""
    best = []
    for number, (_who, kind, begin, _channel) in enumerate(own):
        if kind not in steps[0]:
            continue
        times, place = [begin], number
        for step in steps[1:]:
            later = [other for other in range(place + 1, len(own)) if own[other][1] in step]
            if not later or own[later[0]][2] - begin > within:
                break
            place = later[0]
            times.append(own[place][2])
        if len(times) > len(best):
            best = times
    return best


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=touches, minutes=st.sampled_from([0, 30, 120, 500]))
def test_the_funnel_is_that_of_a_plain_reading(told, scope, rows, minutes):
    rows = told(rows)
    steps = {"seen": KINDS[:1], "wanted": KINDS[1:3], "bought": KINDS[3:], "again": KINDS[3:]}

    found = journeys.funnel(scope, steps, within=timedelta(minutes=minutes))

    runs = [times for own in by_person(rows) if (times := furthest_start(own, list(steps.values()), minutes))]
    assert [step.people for step in found] == [
        sum(len(times) >= depth for times in runs) for depth in (1, 2, 3, 4)
    ]
    for depth, step in enumerate(found[1:], start=1):
        gaps = [(times[depth] - times[depth - 1]) * 60 for times in runs if len(times) > depth]
        assert step.median_seconds == (pytest.approx(statistics.median(gaps), abs=0.01) if gaps else None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=touches)
def test_what_follows_what_is_that_of_a_plain_reading(told, scope, rows):
    rows = told(rows)

    graph = journeys.follow(scope, EACH)

    pairs, starts = Counter(), Counter()
    for own in by_person(rows):
        starts[own[0][1]] += 1
        pairs.update((one[1], other[1]) for one, other in pairwise(own))
        pairs[own[-1][1], "end"] += 1
    assert {(step.here, step.there): step.times for step in graph.steps} == pairs
    assert graph.starts == starts
    assert graph.touches == len(rows)
    assert sum(step.times for step in graph.steps if step.there != "end") == graph.touches - graph.people


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=touches)
def test_ways_and_stages_are_those_of_a_plain_reading(told, scope, rows):
    rows = told(rows)
    stages = {"awareness": KINDS[:1], "consideration": KINDS[1:3], "decision": KINDS[3:]}
    stage_of = {kind: stage for stage, kinds in stages.items() for kind in kinds}

    ways = {(way.nodes, way.is_whole): way.people for way in journeys.ways(scope, stages, touches=2)}
    furthest = {(one.stage, one.channel): one.people for one in journeys.furthest(scope, stages)}
    seen = {(one.stage, one.channel): (one.touches, one.people) for one in journeys.seen(scope, stages)}

    walked, stopped, fields, people = Counter(), Counter(), Counter(), {}
    for own in by_person(rows):
        nodes = [stage for stage, _same in groupby(stage_of[row[1]] for row in own)]
        walked[tuple(nodes[:2]), len(nodes) <= 2] += 1
        rank = list(stages)
        deepest = max(own, key=lambda row: (rank.index(stage_of[row[1]]), own.index(row)))
        last = [row for row in own if stage_of[row[1]] == stage_of[deepest[1]]][-1]
        stopped[stage_of[last[1]], last[3]] += 1
        for who, kind, _minutes, channel in own:
            fields[stage_of[kind], channel] += 1
            people.setdefault((stage_of[kind], channel), set()).add(who)
    assert ways == walked
    assert furthest == stopped
    assert seen == {field: (times, len(people[field])) for field, times in fields.items()}


def test_a_funnel_says_how_many_were_lost_and_how_long_it_took(told, scope):
    told(
        [
            ("ANA", "page.viewed", 0, "web"),
            ("ANA", "basket.updated", 10, "web"),
            ("ANA", "order.placed", 40, "web"),
            ("BEA", "page.viewed", 0, "web"),
            ("BEA", "basket.updated", 30, "web"),
            ("x", "page.viewed", 5, "web"),
        ]
    )

    first, second, third = journeys.funnel(
        scope, {"page": KINDS[:1], "basket": KINDS[1:2], "order": KINDS[3:]}, within=AN_HOUR
    )

    assert (first.people, second.people, third.people) == (3, 2, 1)
    assert (second.lost, second.drop_off) == (1, pytest.approx(1 / 3))
    assert (second.median_seconds, third.median_seconds) == (pytest.approx(1200), pytest.approx(1800))


def test_nobody_is_an_empty_picture(scope):
    funnel = journeys.funnel(scope, EACH, within=AN_HOUR)

    assert [step.people for step in funnel] == [0, 0, 0, 0]
    assert funnel[1].drop_off is None
    assert journeys.follow(scope, EACH).steps == ()
    assert journeys.ways(scope, EACH) == ()


def test_other_times_and_other_merchants_are_not_counted(told, scope, bar_nilo, noon):
    told([("ANA", "page.viewed", 0, "web")])

    assert journeys.follow(Scope(bar_nilo, scope.since, scope.until), EACH).people == 0
    assert journeys.follow(Scope(scope.merchant, noon + AN_HOUR, scope.until), EACH).people == 0
    assert journeys.follow(scope, EACH).people == 1


@pytest.mark.parametrize("count", [1, 11])
def test_a_funnel_has_two_to_ten_steps(scope, count):
    with pytest.raises(ValueError, match="2 to 10"):
        journeys.funnel(scope, {str(step): ["page.viewed"] for step in range(count)}, within=AN_HOUR)


def test_each_question_is_one_statement(told, scope, django_assert_num_queries):
    told([("ANA", "page.viewed", 0, "web")])

    with db.watching() as watch:
        journeys.funnel(scope, EACH, within=AN_HOUR)
        journeys.follow(scope, EACH)
        journeys.ways(scope, EACH)
        journeys.furthest(scope, EACH)
        journeys.seen(scope, EACH)

    assert watch.statements == 5
