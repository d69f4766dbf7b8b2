"""Touchpoints from a file: as history, whose they are, once, and what is refused with its line."""

import csv

import pytest
from django.core.management import call_command

from customers import touchpoint_file
from customers.identifiers import Given
from customers.models import Touchpoint
from loyalty import members

pytestmark = [pytest.mark.core, pytest.mark.django_db]
HEAD = "kind,occurred_at,email,anonymous_id,channel,reference,data\n"
GOOD = HEAD + (
    "page.viewed,2025-01-01T10:00:00Z,,v-1,web,,\n"
    'product.viewed,2025-01-01T10:01:00+01:00,eve@example.com,,web,,"{""sku"": ""beans""}"\n'
    "identify,2025-01-01T10:02:00Z,eve@example.com,v-1,web,,\n"
    "support.contacted,2025-02-01T10:00:00Z,eve@example.com,,phone,T-1,\n"
)


@pytest.fixture
def eve(cafe, noon):
    return members.enroll(merchant=cafe, identifiers=[Given("email", "eve@example.com")], at=noon, by="test")


def load(cafe, text, noon):
    refused = []
    counts = touchpoint_file.load(
        merchant=cafe, file=text.splitlines(keepends=True), at=noon,
        refuse=lambda number, line, error: refused.append((number, str(error))),
    )  # fmt: skip
    return counts, refused


def told(cafe):
    return Touchpoint.objects.filter(
        merchant=cafe, kind__in=["page.viewed", "product.viewed", "support.contacted"]
    )


def test_a_file_is_brought_in_as_history(cafe, eve, noon):
    counts, refused = load(cafe, GOOD, noon)

    assert (counts.lines, counts.created, refused) == (4, 4, [])
    assert {one.customer_id for one in told(cafe)} == {eve.pk}, "the identify joins the visitor"
    assert not told(cafe).filter(relayed_at=None).exists(), "nobody is told"
    assert told(cafe).get(kind="product.viewed").data == {"sku": "beans"}


def test_reading_it_again_makes_nothing_twice(cafe, eve, noon):
    load(cafe, "".join(GOOD.splitlines(keepends=True)[:3]), noon)  # it stopped in the middle

    counts, _ = load(cafe, GOOD, noon)

    assert (counts.created, counts.replayed) == (2, 2)
    assert told(cafe).count() == 3


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Page,2025-01-01T10:00:00Z,,v-1,web,,", "does not read like"),
        ("page.viewed,2025-01-01,,v-1,web,,", "no time with its offset"),
        ("page.viewed,2025-13-01T10:00:00Z,,v-1,web,,", "no time with its offset"),
        ("page.viewed,2030-01-01T10:00:00Z,,v-1,web,,", "lies in the future"),
        ("page.viewed,2025-01-01T10:00:00Z,nobody@example.com,,web,,", "is nobody's here"),
        ("page.viewed,2025-01-01T10:00:00Z,,,web,,", "name a customer or an anonymous_id"),
        ("page.viewed,2025-01-01T10:00:00Z,,v-1,web,,[1]", "no JSON object"),
        ("page.viewed,2025-01-01T10:00:00Z,,v-1,web,,,more", "more fields than columns"),
        ("purchase.recorded,2025-01-01T10:00:00Z,,v-1,web,,", "noted by the service itself"),
    ],
)
def test_a_line_that_cannot_be_is_named(cafe, noon, line, why):
    counts, refused = load(cafe, f"{HEAD}{line}\npage.viewed,2025-01-01T10:00:00Z,,v-2,web,,\n", noon)

    assert (counts.created, counts.rejected) == (1, 1)
    assert refused[0][0] == 2
    assert why in refused[0][1]


def test_a_customer_of_next_door_is_nobody(cafe, bo, noon):
    text = f"kind,occurred_at,customer\npage.viewed,2025-01-01T10:00:00Z,{bo.public_id}\n"

    counts, refused = load(cafe, text, noon)

    assert (counts.created, len(refused)) == (0, 1)


def test_a_column_nobody_knows_stops_the_file(cafe, noon):
    with pytest.raises(touchpoint_file.BadHeader, match="'colour'"):
        load(cafe, "kind,occurred_at,colour\n", noon)


def test_the_command_writes_what_it_refused(cafe, tmp_path, capsys):
    place = tmp_path / "touches.csv"
    place.write_text(f"{HEAD}page.viewed,2025-01-01T10:00:00Z,,v-1,web,,\npage.viewed,soon,,v-1,web,,\n")

    with pytest.raises(SystemExit):
        call_command("import_touchpoints", "cafe-mira", str(place))

    assert "1 touchpoints are new" in capsys.readouterr().out
    rows = list(csv.reader((tmp_path / "touches.csv.errors.csv").open()))
    assert rows[1][:2] == ["3", "bad_line"]
