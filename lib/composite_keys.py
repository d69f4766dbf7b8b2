"""
Foreign keys that carry the merchant along, so that the database refuses a row that mixes two merchants.

On PostgreSQL only: SQLite would have to rebuild each table for it. Django cannot declare such a key, so
migrations make them by name. They are checked at the end of each statement, never later.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.migrations import RunPython
from django.db.migrations.operations.base import Operation


class Key(NamedTuple):
    """`(merchant_id, column)` of a table names `(merchant_id, to_column)` of another."""

    table: str
    column: str
    to_table: str
    to_column: str

    @property
    def name(self) -> str:
        return f"{self.table}_{self.column}_of_one_merchant"


def migration_of(keys: Sequence[Key]) -> list[Operation]:
    """Return the operations of a migration that makes these keys, and drops them on the way back."""
    return [RunPython(_make(key), _drop(key)) for key in keys]


def _make(key: Key) -> Any:
    def make(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                f'ALTER TABLE "{key.table}" ADD CONSTRAINT "{key.name}" '
                f'FOREIGN KEY (merchant_id, "{key.column}") '
                f'REFERENCES "{key.to_table}" (merchant_id, "{key.to_column}") NOT DEFERRABLE'
            )

    return make


def _drop(key: Key) -> Any:
    def drop(apps: Any, schema_editor: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f'ALTER TABLE "{key.table}" DROP CONSTRAINT "{key.name}"')

    return drop
