"""Column maps: what a cell means is said by the map, never guessed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from loyalty import column_map
from loyalty.column_map import BadMap, ColumnMap, Unreadable

LISBON = ZoneInfo("Europe/Lisbon")


def a_map(**more):
    return ColumnMap.model_validate(
        {
            "system": "x",
            "name": "X",
            "columns": {"points": ["Points"], "email": ["E-mail"]},
            "key": ["email"],
            **more,
        }
    )


@pytest.mark.parametrize("name", column_map.names())
def test_each_map_says_where_its_columns_come_from(name):
    found = column_map.load(name)

    assert found.system == name
    assert len(found.source) > 40


def test_headers_are_matched_whatever_their_case_blanks_and_underscores():
    found = column_map.load("smile")

    assert found.placed(["EMAIL ", "points_balance", "VIP tier"]) == {"email": 0, "points": 1, "tier": 2}
    assert found.unknown(["Email", "state", "Shoe size"]) == ["Shoe size"]


@pytest.mark.parametrize(
    ("text", "digits", "number"),
    [("1.234.567", 0, 1234567), ("12", 0, 12), ("-5", 0, -5), ("12,5", 2, 1250), ("7,00", 0, 7), ("0", 0, 0)],
)
def test_numbers_in_the_spelling_of_the_map(text, digits, number):
    found = a_map(numbers={"thousands": ".", "decimal": ","})

    assert found.number(text, digits=digits) == number


@pytest.mark.parametrize(
    "text", ["1.23", "1.2345", "12.", ",5", "1 000", "1e3", "", "-", "12,5", "9999999999999"]
)
def test_what_is_no_number_in_it_is_refused(text):
    with pytest.raises(Unreadable):
        a_map(numbers={"thousands": ".", "decimal": ","}).number(text)


def test_a_date_that_two_spellings_read_differently_is_refused():
    found = a_map(dates=["%d/%m/%Y", "%m/%d/%Y"])

    assert found.time("25/12/2026", zone=LISBON) == (datetime(2026, 12, 25, tzinfo=UTC), True)
    with pytest.raises(Unreadable, match="2026-01-02 or 2026-02-01"):
        found.time("01/02/2026", zone=LISBON)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("columns: [", "line"),
        ("system: x", "Field required"),
        ("system: x\nname: X\ncolumns: {email: [e]}\nkey: [email]", "must name `points`"),
        ("system: x\nname: X\ncolumns: {points: [p], shoe: [s]}\nkey: [points]", "columns.shoe"),
    ],
)
def test_a_map_that_is_none_says_what_to_change(tmp_path, text, told):
    path = tmp_path / "mine.yaml"
    path.write_text(text)

    with pytest.raises(Exception, match=told):
        column_map.load(str(path))


def test_an_unknown_map_names_those_that_are_there():
    with pytest.raises(BadMap, match="loyaltylion, odoo, ours, smile, square"):
        column_map.load("yotpo")
