"""Rows of facts below a fact."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table that scrolls for itself on a narrow screen; a dash where there is no row."""
    found = list(rows)
    if not found:
        return "–"
    titles = format_html_join("", '<th scope="col">{}</th>', ((title,) for title in head))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in found),
    )
    shape = (
        '<div class="l-scroll l-in-field" tabindex="0"><table class="l-table"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    )
    return format_html(shape, titles, body)
