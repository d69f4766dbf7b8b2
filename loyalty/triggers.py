"""
What the database itself refuses: changing facts. Truth must not depend on nobody having a shell.

Entries, tier changes, published versions and consents are written once. The triggers are put back after
every migrate, because SQLite drops them with the table it rebuilds; `manage.py doctor` asks `missing`.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection

from lib import db

NAME = "is_append_only"


@dataclass(frozen=True, slots=True)
class Facts:
    """One table whose rows are never changed, and what to do instead, as the refusal says it."""

    table: str
    instead: str


TABLES = (
    Facts("loyalty_entry", "ledger entries are never changed: write a correcting entry"),
    Facts("loyalty_tierchange", "tier changes are never changed: assign the tier again"),
    Facts("loyalty_programversion", "published versions are never changed: publish another one"),
    Facts("rewards_voucheruse", "uses of vouchers are never changed: roll the use back"),
    Facts("rewards_perkuse", "uses of perks are never changed: undo the use"),
    Facts("rewards_giftcardentry", "entries of gift cards are never changed: write a refund"),
    Facts("engagement_flowversion", "published flows are never changed: publish another version"),
    Facts("engagement_flowstep", "steps of flows are never changed: start another run"),
    Facts("customers_consent", "consents are never changed: record the new answer"),
)


def install(**_signal: Any) -> None:
    """Make the triggers that are missing. Repeating changes nothing and locks nothing."""
    absent = missing()
    if not absent:
        return
    with connection.cursor() as cursor:
        for facts in _here():
            for name, statement in _statements(facts).items():
                if name in absent:
                    for part in statement:
                        cursor.execute(part)


def remove() -> None:
    """Drop the triggers, for who must empty whole tables: the tests, between two of them."""
    with connection.cursor() as cursor:
        for facts in _here():
            for name in _statements(facts):
                on = f' ON "{facts.table}"' if db.is_postgres() else ""
                cursor.execute(f'DROP TRIGGER IF EXISTS "{name}"{on}')


def missing() -> list[str]:
    """Return the names of triggers that should be there and are not, or do not fire."""
    with connection.cursor() as cursor:
        if db.is_postgres():
            cursor.execute(
                "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = current_schema() AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
            )
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        present = {name for (name,) in cursor.fetchall()}
    return [name for facts in _here() for name in _statements(facts) if name not in present]


def _here() -> list[Facts]:
    # A migrate of one room alone runs before the tables of the others are made.
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
    return [facts for facts in TABLES if facts.table in tables]


def _statements(facts: Facts) -> dict[str, list[str]]:
    """Return the statements that make each trigger of a table, by the trigger's name."""
    if not db.is_postgres():
        return {
            f"{facts.table}_refuses_{event.lower()}": [
                f'CREATE TRIGGER "{facts.table}_refuses_{event.lower()}" BEFORE {event} ON "{facts.table}" '
                f"BEGIN SELECT RAISE(ABORT, '{facts.instead}'); END"
            ]
            for event in ("UPDATE", "DELETE")
        }
    function = (
        f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation'; END $$"
    )
    made = {}
    for event, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
        name = f"{facts.table}_refuses_{event.lower()}"
        made[name] = [
            function,
            f'DROP TRIGGER IF EXISTS "{name}" ON "{facts.table}"',
            f'CREATE TRIGGER "{name}" BEFORE {event} ON "{facts.table}" FOR EACH {each} '
            f"EXECUTE FUNCTION {NAME}('{facts.instead}')",
        ]
    return made
