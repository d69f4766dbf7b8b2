"""The wire to PostgreSQL: in order, refused aloud, forgotten with its connection."""

import gc
import weakref

import pytest
from django.db import DataError, connection, transaction

from lib import db

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def wire(monkeypatch):
    if not db.is_postgres():
        pytest.skip("only PostgreSQL has one")
    from lib.db import wire as module

    connection.ensure_connection()
    return module


def test_it_lasts_as_long_as_its_connection(wire):
    connection.close()
    db.ask("SELECT 1")
    known = weakref.ref(connection.connection)
    assert wire.wire(known()) is wire.wire(known())

    connection.close()
    gc.collect()

    assert known() is None


def test_a_statement_that_fails_is_told_and_the_connection_goes_on(wire):
    for _ in range(5):  # also once it is prepared
        with pytest.raises(DataError):
            _divide_by_zero()
        assert db.ask("SELECT %s::int", [3]).rows == [(3,)]


def _divide_by_zero():
    with transaction.atomic(), db.together():
        db.ask("SELECT 1 / %s::int", [0])
        db.ask("SELECT 2")


def test_long_statements_are_answered_in_order_too(wire):
    long = "x" * (wire.MOST_AHEAD + 1)

    with transaction.atomic(), db.together():
        first, second = db.ask("SELECT %s::text", [long]), db.ask("SELECT 2")

    assert (first.rows, second.rows) == ([(long,)], [(2,)])


def test_what_was_not_used_for_long_is_forgotten_and_known_again(wire, monkeypatch):
    monkeypatch.setattr(wire, "MOST_STATEMENTS", 3)
    connection.close()

    for number in [*range(6), *range(6)]:
        for _ in range(5):
            assert db.ask(f"SELECT {number} + %s::int", [1]).rows == [(number + 1,)]

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'loyalty%%'")
        assert cursor.fetchone()[0] <= 3
