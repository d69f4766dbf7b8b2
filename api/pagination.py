"""
Pages of a list by cursor: `{"results": [...], "next": url|null, "previous": url|null}`.

A cursor names the row at a page's edge by its sort value and id, so a page costs the same wherever it is,
and rows that come or go meanwhile neither repeat nor skip others.
"""

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import urlencode

import orjson
from django.db.models import Field, Model, Q, QuerySet
from django.http import HttpRequest

from lib.errors import Fault, Malformed

DEFAULT_LIMIT = 50
MOST = 200
PARAMETERS = ("limit", "cursor", "ordering")

Shape = Callable[[list[Any]], list[dict[str, Any]]]


def page(
    request: HttpRequest, rows: QuerySet[Any], *, orderings: Sequence[str], shape: Shape
) -> dict[str, Any]:
    """
    Return one page of `rows`.

    :param orderings: names of columns that `?ordering=` may say (with `-` for downwards); the first is the
        default. Columns must not be empty.
    :param shape: turns all rows of a page into what is answered, so that it may ask once for all
    :raises Malformed: `limit`, `ordering` or `cursor` cannot be understood
    """
    limit = _limit(request.GET.get("limit"))
    ordering = _ordering(request.GET.get("ordering"), orderings)
    field, is_down = ordering.removeprefix("-"), ordering.startswith("-")
    cursor = _read(request.GET.get("cursor"), rows.model, field, ordering)
    is_back = cursor is not None and cursor[2]
    downwards = is_down != is_back
    if cursor is not None:
        rows = rows.filter(_beyond(field, cursor[0], cursor[1], downwards=downwards))
    sign = "-" if downwards else ""
    order = [f"{sign}{field}"] if field == "id" else [f"{sign}{field}", f"{sign}id"]
    found = list(rows.order_by(*order)[: limit + 1])
    has_more, found = len(found) > limit, found[:limit]
    if is_back:
        found.reverse()
    has_next = bool(found) and (is_back or has_more)
    has_previous = bool(found) and (has_more if is_back else cursor is not None)
    return {
        "results": shape(found),
        "next": _url(request, found[-1], field, ordering, is_back=False) if has_next else None,
        "previous": _url(request, found[0], field, ordering, is_back=True) if has_previous else None,
    }


def _limit(said: str | None) -> int:
    if said is None:
        return DEFAULT_LIMIT
    if not (said.isascii() and said.isdigit() and len(said) < 6 and 1 <= int(said) <= MOST):
        _refuse("limit", "out_of_range", f"a number from 1 to {MOST}")
    return int(said)


def _ordering(said: str | None, orderings: Sequence[str]) -> str:
    if said is None:
        return orderings[0]
    allowed = {name.removeprefix("-") for name in orderings}
    if said.removeprefix("-") not in allowed:
        _refuse("ordering", "not_a_choice", f"one of {', '.join(sorted(allowed))}, with - for downwards")
    return said


def _beyond(field: str, value: Any, number: int, *, downwards: bool) -> Q:
    way = "lt" if downwards else "gt"
    if field == "id":
        return Q(**{f"id__{way}": number})
    return Q(**{f"{field}__{way}": value}) | Q(**{field: value, f"id__{way}": number})


def _read(said: str | None, model: type[Model], field: str, ordering: str) -> tuple[Any, int, bool] | None:
    """Return the sort value, the id and the direction of a cursor. It is the caller's text: trust nothing."""
    if said is None:
        return None
    try:
        made_for, value, number, is_back = orjson.loads(base64.urlsafe_b64decode(said.encode("ascii")))
        if isinstance(value, str) and ("\x00" in value or len(value) > 300):
            raise ValueError("not a value")
        column = model._meta.get_field(field)
        value = column.to_python(value) if isinstance(column, Field) else value
        if isinstance(value, datetime):
            value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        number = int(number)
        if made_for != ordering or not 0 <= number < 1 << 63 or not isinstance(is_back, bool):
            raise ValueError("not this list's")
    except Exception:
        _refuse("cursor", "invalid", "a cursor comes from the `next` or `previous` of this same list")
    return value, number, is_back


def _url(request: HttpRequest, row: Model, field: str, ordering: str, *, is_back: bool) -> str:
    value = row.pk if field == "id" else getattr(row, field)
    if isinstance(value, int):
        value = str(value)
    cursor = base64.urlsafe_b64encode(orjson.dumps([ordering, value, str(row.pk), is_back])).decode()
    kept = [(name, value) for name, value in request.GET.items() if name != "cursor"]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*kept, ('cursor', cursor)])}")


def _refuse(name: str, code: str, detail: str) -> NoReturn:
    raise Malformed("A parameter cannot be understood.", faults=[Fault(f"/query/{name}", code, detail)])
