"""
Leaving for good, and taking one's data along.

Every table of the house is in one registry: each room lists its own in a module named in
`settings.PERSONAL_DATA`, and says of each how a person's rows are found, what erasure does to them and what
an export shows. A table that nobody lists fails a test. Erasure removes the person and keeps the books:
movements of points stay, and nothing in them leads to anybody.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.db import models
from django.utils.module_loading import import_string

from customers import journey
from customers.models import Customer, Identifier
from lib import db, public_ids

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Traces:
    """
    What leads to one person.

    `ids` are the customer and everybody who was merged into it; `texts` what the person is recognized by,
    as it is stored, for tables that keep what other machines said.
    """

    customer: Customer
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One table: `why` says in a sentence what erasure does to it and for what reason.

    `erase` is a step; without it the rows stay as they are. `export` returns a person's rows as plain data.
    """

    model: str
    why: str
    erase: Callable[[Traces], Any] | None = None
    export: Callable[[Traces], Iterable[Row]] | None = None


def nobody(*labels: str, why: str) -> list[Holding]:
    """Return the holdings of tables that keep nothing about a customer."""
    return [Holding(label, why) for label in labels]


@cache
def registry() -> Mapping[str, Holding]:
    """Return every table of the house by its label, in the order in which they are erased."""
    found: dict[str, Holding] = {}
    for path in settings.PERSONAL_DATA:
        for holding in import_string(path):
            if holding.model in found:
                raise ValueError(f"{holding.model} is listed twice in PERSONAL_DATA")
            found[holding.model] = holding
    return found


def unlisted(models_of_the_house: Iterable[type[models.Model]]) -> list[str]:
    """Return the labels of tables that no room lists."""
    return [model._meta.label for model in models_of_the_house if model._meta.label not in registry()]


@db.command
def erase(*, customer: Customer, at: datetime, by: str) -> None:
    """
    Remove the person and keep the books. It cannot be undone; repeating changes nothing.

    Name, identifiers, birthday, language, codes and everything told about them go; purchases, points and
    answers to consents stay under a number that leads to nobody. Whoever was merged into them goes too.
    """
    locked = Customer.objects.select_for_update(of=("self",)).select_related("merchant").get(pk=customer.pk)
    if locked.status == Customer.Status.ERASED:
        return
    if locked.merged_into_id:
        locked = Customer.objects.select_for_update(of=("self",)).get(pk=locked.merged_into_id)
    traces = _traces(locked, at=at)
    for holding in registry().values():
        if holding.erase:
            holding.erase(traces)
    journey.note(customer=locked, kind="customer.erased", at=at, data={"by": by})
    customer.refresh_from_db()


def export(*, customer: Customer) -> dict[str, list[Row]]:
    """
    Return everything that is kept about the person, by table: plain values, times as `datetime`.

    Ids are public ids. A table with nothing about them is left out.
    """
    traces = _traces(customer)
    sections = {
        holding.model.partition(".")[2].lower(): list(holding.export(traces))
        for holding in registry().values()
        if holding.export
    }
    return {name: rows for name, rows in sections.items() if rows}


def archive(exported: Mapping[str, Sequence[Row]]) -> bytes:
    """Return an export as a zip with one CSV file per table, safe to open in a spreadsheet."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, rows in exported.items():
            sheet = io.StringIO()
            writer = csv.DictWriter(sheet, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
            # The mark at the beginning tells spreadsheets that the text is UTF-8.
            pack.writestr(f"{name}.csv", "\ufeff" + sheet.getvalue())
    return packed.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else value
    if not isinstance(text, str):
        return orjson.dumps(text, default=str).decode()
    # A spreadsheet runs what begins like a formula, and customers choose their own names.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _traces(customer: Customer, at: datetime | None = None) -> Traces:
    ids = (
        customer.pk,
        *Customer.objects.filter(merchant=customer.merchant_id, merged_into=customer).values_list(
            "pk", flat=True
        ),
    )
    texts = Identifier.objects.filter(merchant=customer.merchant_id, customer__in=ids)
    return Traces(customer, ids, tuple(texts.values_list("value", flat=True)), at)


# --- what the rooms build their holdings from -----------------------------------------------------------


def theirs(model: type[models.Model], traces: Traces, *, by: str = "customer_id") -> Any:
    """Return the rows of a table that name the person, of their merchant only."""
    return model._default_manager.filter(
        **{"merchant_id": traces.customer.merchant_id, f"{by}__in": traces.ids}
    )


def deleted(model: type[models.Model]) -> Callable[[Traces], Any]:
    """Return the step that deletes a person's rows."""
    return lambda traces: theirs(model, traces).delete()


def shown(model: type[models.Model], *names: str, by: str = "customer_id") -> Callable[[Traces], list[Row]]:
    """Return the function that exports these columns of a person's rows, oldest first."""
    return lambda traces: plain(theirs(model, traces, by=by).order_by("pk"), *names)


def plain(rows: Any, *names: str) -> list[Row]:
    """Return the columns `names` of a queryset's rows, with the public id first where there is one."""
    prefix = getattr(rows.model, "prefix", "")
    found = []
    for values in rows.values_list("pk", *names):
        row = dict(zip(names, values[1:], strict=True))
        found.append({"id": public_ids.show(prefix, values[0]), **row} if prefix else row)
    return found
