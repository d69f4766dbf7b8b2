"""Who is in which segment: counted in full, followed within seconds, told in the diary."""

from datetime import timedelta

import pytest

from customers import changes, consent, erasure, journey, people, segments
from customers.consent import Choice
from customers.identifiers import Given
from customers.models import Segment, SegmentMember, Touchpoint
from customers.segment_rules import BadRule, predicates, read
from lib import db
from loyalty import members, merges, purchases, rfm, tier_reviews
from loyalty.earning.base import Line
from loyalty.sale import Sale

pytestmark = pytest.mark.core


def catch_up(at):
    while changes.follow(at=at):
        pass


@pytest.fixture
def group(cafe, noon):
    """`group("gold", {...})` is a segment of the café, counted."""

    def make(code, rule, merchant=cafe, at=noon):
        segment = Segment(merchant=merchant, code=code, name=code.title())
        db.command(segments.save)(segment=segment, rule=rule, at=at)
        segments.refresh(segment=segment, at=at)
        return segment

    return make


@pytest.fixture
def rui(cafe, noon):
    return members.enroll(
        merchant=cafe, name="Rui", identifiers=[Given("card", "4000000055")], at=noon, by="test"
    )


@pytest.fixture
def sell(cafe, noon):
    def record(customer, reference, amount=1000, at=noon, **more):
        sale = Sale(reference, "EUR", amount, at, customer_id=customer.pk, **more)
        return purchases.record(merchant=cafe, sale=sale, at=at)

    return record


def inside(segment):
    return set(SegmentMember.objects.filter(segment=segment).values_list("customer_id", flat=True))


def told(segment, kind):
    rows = Touchpoint.objects.filter(kind=kind, data__segment=segment.code)
    return sorted(rows.values_list("customer_id", flat=True))


EVERYBODY = {"all": []}


# --- the two ways in -----------------------------------------------------------------------------------


def test_a_count_in_full_enters_and_notes_everybody_once(cafe, ana, rui, group, noon):
    segment = group("all", EVERYBODY)
    segments.refresh(segment=segment, at=noon + timedelta(minutes=1))

    assert inside(segment) == {ana.pk, rui.pk}
    assert told(segment, "segment.entered") == sorted([ana.pk, rui.pk])
    assert (segment.members, segment.leased_until) == (2, None)


def test_another_merchants_customers_are_never_in_it(cafe, ana, bo, group):
    assert inside(group("all", EVERYBODY)) == {ana.pk}


def test_who_was_touched_enters_within_seconds(ana, rui, group, sell, noon):
    segment = group("buyers", {"kind": "purchases", "at_least": 1})
    assert inside(segment) == set()

    sell(ana, "R-1")
    catch_up(noon)

    assert inside(segment) == {ana.pk}
    assert told(segment, "segment.entered") == [ana.pk]


def test_who_no_longer_fits_leaves(ana, group, sell, noon):
    segment = group("silent", {"not": {"kind": "last_purchase", "at_most": 30}})
    assert inside(segment) == {ana.pk}

    sell(ana, "R-1")
    catch_up(noon)

    assert inside(segment) == set()
    assert told(segment, "segment.left") == [ana.pk]


def test_time_alone_moves_people(ana, group, sell, noon):
    sell(ana, "R-1")
    catch_up(noon)
    segment = group("silent", {"kind": "last_purchase", "at_least": 30})
    assert inside(segment) == set()

    assert segments.refresh_due(at=noon + timedelta(days=30)) == 1
    assert inside(segment) == {ana.pk}


def test_what_is_not_due_is_not_counted(ana, group, noon):
    group("all", EVERYBODY)

    assert segments.refresh_due(at=noon + timedelta(minutes=14)) == 0
    assert segments.refresh_due(at=noon + timedelta(minutes=15)) == 1


def test_a_segment_is_counted_by_one_at_a_time(ana, group, noon):
    segment = group("all", EVERYBODY)
    Segment.objects.update(leased_until=noon + timedelta(minutes=5))

    assert segments.refresh(segment=segment, at=noon + timedelta(minutes=1)) is None
    # A worker that died is not waited for for ever.
    assert segments.refresh(segment=segment, at=noon + timedelta(minutes=5)) == 1


def test_many_chunks_find_everybody(ana, rui, group, monkeypatch):
    monkeypatch.setattr(segments, "CHUNK", 1)

    assert inside(group("all", EVERYBODY)) == {ana.pk, rui.pk}


def test_a_new_rule_is_counted_and_the_diary_says_who_moved(ana, rui, group, noon):
    segment = group("some", {"kind": "language", "languages": ["pt"]})
    db.command(segments.save)(segment=segment, rule=EVERYBODY, at=noon)
    assert segments.refresh_due(at=noon) == 1

    assert inside(segment) == {ana.pk, rui.pk}


def test_one_that_is_switched_off_is_emptied(ana, group, noon):
    segment = group("all", EVERYBODY)
    segment.is_active = False
    db.command(segments.save)(segment=segment, rule=EVERYBODY, at=noon)
    segments.refresh_due(at=noon)

    assert inside(segment) == set()
    assert segments.of_customers(merchant_id=ana.merchant_id, customers=[ana.pk]) == {}


def test_following_takes_two_statements_per_segment(cafe, ana, rui, group, noon):
    for number in range(3):
        group(f"s-{number}", {"kind": "language", "languages": ["pt"]})

    with db.watching() as watch:
        db.command(segments.follow)(merchant=cafe, customers=[ana.pk, rui.pk], at=noon)

    if db.is_postgres():
        assert watch.statements == 1 + 2 * 3


def test_the_erased_and_the_merged_leave(cafe, ana, rui, group, noon):
    segment = group("all", EVERYBODY)
    merges.merge(source=rui, target=ana, reason="one person", at=noon, by="test")
    catch_up(noon)
    assert inside(segment) == {ana.pk}

    erasure.erase(customer=ana, at=noon, by="test")
    assert inside(segment) == set()
    catch_up(noon)
    assert inside(segment) == set()


def test_an_export_says_in_which_segments_one_is(ana, group):
    group("all", EVERYBODY)

    assert erasure.export(customer=ana)["segmentmember"][0]["segment__name"] == "All"


# --- conditions ----------------------------------------------------------------------------------------


@pytest.fixture
def regular(ana, rui, sell, noon, cafe):
    """Ana buys coffee often, has a tier by hand, points and a consent; Rui never did anything."""
    for number in range(3):
        lines = (Line("1", 20_000, category="coffee"),)
        sell(ana, f"R-{number}", 20_000, at=noon - timedelta(days=number), lines=lines)
    tier_reviews.assign(customer=ana, tier="Gold", until=None, reason="friend", by="owner", at=noon)
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True)], at=noon)
    people.change(customer=ana, at=noon, by="test", birthday="05-09", language="pt")
    db.command(journey.note)(customer=ana, kind="page.viewed", at=noon)
    catch_up(noon)
    rfm.score(merchant=cafe, at=noon)
    return ana


CONDITIONS = [
    {"kind": "tier", "tiers": ["Gold", "Platinum"]},
    {"kind": "balance", "at_least": 500},
    {"kind": "last_purchase", "at_most": 0},
    {"kind": "purchases", "at_least": 3, "days": 3},
    {"kind": "purchases", "count": "net_revenue", "at_least": 60_000, "at_most": 60_000},
    {"kind": "rfm", "groups": ["lost", "hibernating", "needs_attention", "promising", "new", "champion"]},
    {"kind": "category", "categories": ["coffee"], "days": 1},
    {"kind": "touchpoint", "name": "page.viewed"},
    {"kind": "touchpoint", "name": "purchase.recorded", "at_least": 3},
    {"kind": "consent", "channel": "email"},
    {"kind": "reachable", "channel": "email"},
    {"kind": "birthday_month"},
    {"kind": "birthday_month", "months": [5]},
    {"kind": "language", "languages": ["pt"]},
    {"kind": "lifecycle", "stages": ["active"]},
]
NOT_MET = [
    {"kind": "tier", "tiers": ["Silver"]},
    {"kind": "balance", "at_least": 5_000_000},
    {"kind": "last_purchase", "at_least": 1},
    {"kind": "purchases", "at_least": 4},
    {"kind": "purchases", "at_least": 3, "days": 2},
    {"kind": "category", "categories": ["tea"]},
    {"kind": "touchpoint", "name": "purchase.recorded", "at_least": 4},
    {"kind": "consent", "channel": "email", "purpose": "surveys"},
    {"kind": "account_age", "at_least": 1},
    {"kind": "birthday_month", "months": [4]},
    {"kind": "store", "stores": ["baixa"]},
    {"kind": "referral"},
    {"kind": "enrolled", "stores": ["baixa"]},
    {"kind": "lifecycle", "stages": ["new", "lapsed"]},
]


@pytest.mark.parametrize("rule", CONDITIONS, ids=str)
def test_a_condition_finds_whom_it_describes(regular, rui, group, rule):
    assert inside(group("some", rule)) == {regular.pk}
    assert inside(group("others", {"not": rule})) == {rui.pk}


@pytest.mark.parametrize("rule", NOT_MET, ids=str)
def test_a_condition_does_not_find_others(regular, rui, group, rule):
    assert regular.pk not in inside(group("some", rule))
    assert regular.pk in inside(group("others", {"not": rule}))


def test_every_condition_is_tried(db):
    # Those that look at forecasts are tried where forecasts are made: tests/insights/test_predicates.py.
    here = {kind for kind, one in predicates().items() if not type(one).__module__.startswith("insights.")}
    assert {rule["kind"] for rule in (*CONDITIONS, *NOT_MET)} == here


def test_all_any_and_not(regular, rui, group):
    gold, never = {"kind": "tier", "tiers": ["Gold"]}, {"kind": "language", "languages": ["xx"]}

    assert inside(group("a", {"all": [gold, never]})) == set()
    assert inside(group("b", {"any": [gold, never]})) == {regular.pk}
    assert inside(group("c", {"all": [gold, {"not": never}]})) == {regular.pk}
    assert inside(group("d", {"any": []})) == set()


def test_a_value_is_never_part_of_the_statement(ana, group):
    evil = "x') OR 1=1; DROP TABLE customers_customer; --"

    assert inside(group("evil", {"kind": "language", "languages": [evil]})) == set()
    assert inside(group("evil-2", {"kind": "touchpoint", "name": evil[:60]})) == set()


BAD = [
    ("x", ""),
    ({}, "/kind"),
    ({"kind": "nothing"}, "/kind"),
    ({"all": {}}, "/all"),
    ({"all": [{"kind": "tier"}]}, "/all/0/tiers"),
    ({"any": [{"kind": "tier", "tiers": ["Gold"]}, {"kind": "balance", "at_least": -1}]}, "/any/1/at_least"),
    ({"not": {"kind": "language", "languages": ["pt"], "sql": "1"}}, "/not/sql"),
    ({"not": {"not": {"not": {"not": {"not": {"not": EVERYBODY}}}}}}, "/not/not/not/not/not/not"),
    ({"any": [{"kind": "language", "languages": ["pt"]}] * 51}, ""),
]


@pytest.mark.parametrize(("rule", "pointer"), BAD, ids=[pointer or "whole" for _, pointer in BAD])
def test_a_bad_rule_is_refused_with_a_pointer(db, rule, pointer):
    with pytest.raises(BadRule) as refused:
        read(rule)

    assert refused.value.faults[0].pointer == pointer


def test_a_preview_counts_and_shows_without_saving(cafe, regular, rui, bo, noon):
    seen = segments.preview(merchant=cafe, rule=EVERYBODY, at=noon)

    assert seen.count == 2
    assert {one.pk for one in seen.examples} == {regular.pk, rui.pk}
    assert not SegmentMember.objects.exists()


# --- recency, frequency, money -------------------------------------------------------------------------


def test_everybody_who_bought_has_one_group(cafe, noon, sell):
    for number in range(10):
        one = members.enroll(
            merchant=cafe, identifiers=[Given("card", f"41000000{number:02}")], at=noon, by="t"
        )
        for time in range(number + 1):
            day = noon - timedelta(days=2 * (10 - number) + time)
            sell(one, f"R-{number}-{time}", 100 * (number + 1), at=day)
    catch_up(noon)

    assert rfm.score(merchant=cafe, at=noon) == 10
    from loyalty.models import RfmScore

    rows = RfmScore.objects.order_by("customer_id").values_list("recency", "frequency", "money", "name")
    assert rows[0] == (1, 1, 1, "lost")
    assert rows[9] == (5, 5, 5, "champion")
    assert rows[5] == (3, 3, 3, "loyal")
    # Whoever stays where they are is not written again.
    assert rfm.score(merchant=cafe, at=noon) == 0
