"""Rows as a file for a spreadsheet."""

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse


def csv_file(name: str, rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """Return rows as a CSV file to download. A text that a spreadsheet would compute is made plain."""
    safe = "".join(letter for letter in name if letter.isalnum() or letter in "-_")
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{safe}.csv"'
    answer.headers["Cache-Control"] = "no-store"
    csv.writer(answer).writerows([_plain(value) for value in row] for row in rows)
    return answer


def _plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
