"""Segments at the till's door: listed, who is in them, and customers by segment."""

import pytest

from customers import segments
from customers.models import Segment
from lib import db
from tests.api.conftest import V1


@pytest.fixture
def regulars(cafe, ana, noon):
    segment = Segment(merchant=cafe, code="regulars", name="Regulars", is_persona=True, face="☕")
    db.command(segments.save)(segment=segment, rule={"kind": "reachable", "channel": "email"}, at=noon)
    segments.refresh(segment=segment, at=noon)
    return segment


def test_segments_are_listed(till, regulars):
    [one] = till.get(f"{V1}/segments").json()["results"]

    assert one["id"] == regulars.public_id
    assert (one["code"], one["is_persona"], one["face"], one["customers"]) == ("regulars", True, "☕", 1)
    assert one["rule"] == {"kind": "reachable", "channel": "email"}


@pytest.mark.parametrize("name", ["regulars", "id"])
def test_who_is_in_one(till, regulars, ana, name):
    named = regulars.public_id if name == "id" else name

    [one] = till.get(f"{V1}/segments/{named}/members").json()["results"]

    assert one["id"] == ana.public_id


@pytest.mark.parametrize("name", ["regulars", "id"])
def test_customers_by_segment(till, regulars, ana, cafe, noon, name):
    till.post(f"{V1}/customers", {"card": "4000000077"})
    named = regulars.public_id if name == "id" else name

    found = till.get(f"{V1}/customers?segment={named}").json()["results"]

    assert [one["id"] for one in found] == [ana.public_id]
    assert till.get(f"{V1}/customers?segment=nobody").json()["results"] == []


def test_another_merchants_segment_finds_nobody(outsider_till, regulars):
    assert outsider_till.get(f"{V1}/segments").json()["results"] == []
    assert outsider_till.get(f"{V1}/customers?segment={regulars.public_id}").json()["results"] == []
    assert outsider_till.get(f"{V1}/segments/regulars/members").status_code == 404


def test_members_take_the_same_statements_however_many(till, regulars, cafe, noon):
    def statements():
        with db.watching() as watch:
            assert till.get(f"{V1}/segments/regulars/members").status_code == 200
        return watch.statements

    statements()  # the key is known from here on
    few = statements()
    for number in range(5):
        till.post(f"{V1}/customers", {"email": f"p{number}@example.com"})
    segments.refresh(segment=regulars, at=noon)

    assert len(till.get(f"{V1}/segments/regulars/members").json()["results"]) == 6
    assert statements() == few
