"""The rule builder: conditions are added, counted and saved, also without a script."""

import pytest

from customers import segments
from customers.identifiers import Given
from customers.models import Segment
from lib import db
from loyalty import members
from tests.cast import staff_of

ADD = "/admin/customers/segment/add/"
NAMED = {
    "name": "Regulars",
    "code": "regulars",
    "description": "",
    "face": "☕",
    "is_active": "on",
    "match": "all",
}
TIER = {"kind-0": "tier", "c0-tiers": "Gold, Silver"}


def page(segment):
    return f"/admin/customers/segment/{segment.pk}/change/"


@pytest.fixture
def regulars(cafe, ana, noon):
    segment = Segment(merchant=cafe, code="regulars", name="Regulars")
    rule = {"any": [{"kind": "reachable", "channel": "email"}, {"not": {"kind": "tier", "tiers": ["Gold"]}}]}
    db.command(segments.save)(segment=segment, rule=rule, at=noon)
    segments.refresh(segment=segment, at=noon)
    return segment


def test_a_condition_is_added_without_saving(desk, cafe):
    answer = desk.post(ADD, {"match": "all", "new": "tier", "add": "1"})

    assert answer.status_code == 200
    assert b'name="c0-tiers"' in answer.content
    assert b"This field is required" not in answer.content
    assert not Segment.objects.exists()


def test_one_is_removed_and_the_others_stay(desk, cafe):
    said = {**TIER, "kind-1": "language", "c1-languages": "pt", "drop": "0"}

    answer = desk.post(ADD, said).content

    assert b'name="c0-tiers"' not in answer
    assert b'name="c1-languages" value="pt"' in answer


def test_it_is_counted_while_it_is_written(desk, cafe, ana):
    said = {"kind-0": "reachable", "c0-channel": "email", "preview": "1"}

    answer = desk.post(ADD, said).content.decode()
    assert "1 customer" in answer
    assert "Ana" in answer

    answer = desk.post(ADD, {**said, "c0-is_not": "on"}).content.decode()
    assert "0 customers" in answer
    assert not Segment.objects.exists()


def test_a_segment_is_saved_with_its_rule(desk, cafe, ana):
    answer = desk.post(ADD, {**NAMED, **TIER, "c0-is_not": "on", "save": "1"})

    segment = Segment.objects.get()
    assert answer["Location"] == page(segment)
    assert segment.merchant == cafe
    assert segment.rule == {"all": [{"not": {"kind": "tier", "tiers": ["Gold", "Silver"]}}]}
    assert segment.history.count() == 1


def test_what_was_saved_is_shown_again_and_saved_the_same(desk, regulars):
    rule = regulars.rule
    answer = desk.get(page(regulars)).content.decode()
    assert 'value="Gold"' in answer
    assert "Kept: 1" in answer

    said = {
        **NAMED, "match": "any", "kind-0": "reachable", "c0-channel": "email",
        "kind-1": "tier", "c1-tiers": "Gold", "c1-is_not": "on", "save": "1",
    }  # fmt: skip
    desk.post(page(regulars), said)

    regulars.refresh_from_db()
    assert regulars.rule == rule


def test_a_wrong_setting_is_said_beside_its_input(desk, cafe):
    said = {**NAMED, "kind-0": "balance", "c0-at_least": "-5", "save": "1"}

    answer = desk.post(ADD, said).content.decode()

    assert "greater than or equal to 0" in answer
    assert not Segment.objects.exists()


def test_an_id_is_used_once(desk, regulars):
    answer = desk.post(ADD, {**NAMED, **TIER, "save": "1"}).content.decode()

    assert "There is a segment regulars already." in answer
    assert Segment.objects.count() == 1


def test_a_tree_within_the_tree_is_edited_as_text(desk, regulars, noon):
    tree = {"all": [{"any": [{"kind": "language", "languages": ["pt"]}]}]}
    db.command(segments.save)(segment=regulars, rule=tree, at=noon)
    assert b'name="text"' in desk.get(page(regulars)).content

    bad = desk.post(
        page(regulars), {**NAMED, "is_text": "1", "text": '{"any": [{"kind": "x"}]}', "save": "1"}
    )
    assert "/any/0/kind" in bad.content.decode()
    desk.post(page(regulars), {**NAMED, "is_text": "1", "text": '{"any": []}', "save": "1"})

    regulars.refresh_from_db()
    assert regulars.rule == {"any": []}


def test_who_is_in_it(desk, regulars):
    answer = desk.get(f"/admin/customers/segment/{regulars.pk}/members/").content.decode()

    assert "Ana" in answer


def test_the_examples_are_the_own_shops(desk, cafe, ana, bo):
    answer = desk.post(ADD, {"match": "all", "preview": "1"}).content.decode()

    assert "Ana" in answer
    assert ">Bo<" not in answer


def test_an_outsider_neither_sees_nor_saves(sit_down, bar_nilo, regulars):
    outsider = sit_down(staff_of(bar_nilo, "owner"))

    assert outsider.get(page(regulars)).status_code == 302
    assert outsider.get(f"/admin/customers/segment/{regulars.pk}/members/").status_code == 302
    outsider.post(page(regulars), {**NAMED, "name": "Mine", **TIER, "save": "1"})
    regulars.refresh_from_db()
    assert regulars.name == "Regulars"


def test_an_analyst_reads_and_saves_nothing(sit_down, cafe, regulars):
    analyst = sit_down(staff_of(cafe, "analyst"))

    assert b'name="save"' not in analyst.get(page(regulars)).content
    assert analyst.post(page(regulars), {**NAMED, **TIER, "save": "1"}).status_code == 403


def test_the_page_asks_the_same_however_many_are_in_it(desk, cafe, regulars, noon):
    def statements():
        with db.watching() as watch:
            desk.get(page(regulars))
            desk.get(f"/admin/customers/segment/{regulars.pk}/members/")
        return watch.statements

    statements()
    few = statements()
    for number in range(5):
        members.enroll(
            merchant=cafe, identifiers=[Given("email", f"p{number}@example.com")], at=noon, by="test"
        )
    segments.refresh(segment=regulars, at=noon)

    assert statements() == few
