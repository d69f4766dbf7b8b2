"""The texts of SQL that write rows of a model: made once per model and set of columns."""

from collections.abc import Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from django.db import connection, models

from lib.db.values import way

Row = Mapping[str, Any]


class Table:
    def __init__(self, model: type[models.Model], columns: tuple[str, ...]):
        fields = {
            field.column: field for field in model._meta.local_concrete_fields if field.column is not None
        }
        chosen = [fields[name] for name in columns]
        self.name = f'"{model._meta.db_table}"'
        self.columns = columns
        # Of most columns the value travels as it is: only the others are made ready one by one.
        self._pick = itemgetter(*columns) if len(columns) > 1 else lambda row: (row[columns[0]],)
        self._ways = [(place, make) for place, field in enumerate(chosen) if (make := way(field))]
        names = ", ".join(f'"{name}"' for name in columns)
        self.types = ", ".join(
            f'"{name}" {field.rel_db_type(connection) if field.is_relation else field.db_type(connection)}'
            for name, field in zip(columns, chosen, strict=True)
        )
        marks = ", ".join(["%s"] * len(columns))
        self.insert_values = f"INSERT INTO {self.name} ({names}) VALUES ({marks})"
        picks = ", ".join(f'given."{name}"' for name in columns)
        self.insert_rows = (
            f"INSERT INTO {self.name} ({names}) SELECT {picks} "
            f"FROM json_to_recordset(%s::json) AS given({self.types})"
        )
        self.copy_rows = f"COPY {self.name} ({names}) FROM STDIN"

    def flat(self, row: Row) -> list[Any]:
        """Return the values of a row in the order of the columns, ready to be stored."""
        values = list(self._pick(row))
        for place, make in self._ways:
            values[place] = make(values[place])
        return values


@cache
def _table_for(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> Table:
    return Table(model, columns)


def table(model: type[models.Model], columns: tuple[str, ...]) -> Table:
    return _table_for(model, columns, connection.vendor)
