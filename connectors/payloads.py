"""
What a webhook says: an envelope that is always the same, and `data` as the endpoint wants it.

A body is made once, when the event is queued: every attempt and every resend says the same, byte by byte.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from connectors.kinds import PUBLIC
from connectors.models import WebhookEndpoint
from customers import records
from customers.models import Customer, Touchpoint
from lib import public_ids

Data = dict[str, Any]
MOST_PARTS = 50
_MISSING = object()


def sequence(touchpoint_id: int) -> str:
    """
    Return the event's place in its customer's order: compare as text, greater is later.

    The event's own number and no count of deliveries: it is right however many workers queue at once, the
    same at every endpoint, and the same when it is sent again. Text, because JavaScript rounds such numbers.
    """
    return f"{touchpoint_id:019d}"


def people(touchpoints: Sequence[Touchpoint]) -> dict[int, Data]:
    """Return the `customer` of these touchpoints (of one merchant) by its id; one statement for all."""
    ids = sorted({one.customer_id for one in touchpoints if one.customer_id is not None})
    if not ids:
        return {}
    found = records.read(merchant=touchpoints[0].merchant, customers=ids)
    return {number: _customer(record) for number, record in found.items()}


def _customer(record: records.Record) -> Data:
    first: dict[str, str] = {}
    for type, _, value, verified in record.identifiers:
        if verified:
            first.setdefault(type, value)
    return {
        "id": public_ids.show(Customer.prefix, record.id),
        "status": record.status,
        "name": record.name or None,
        "email": first.get("email"),
        "phone": first.get("phone"),
        "language": record.language or None,
        "external_ids": {
            source or "default": value
            for type, source, value, verified in record.identifiers
            if type == "external_id" and verified
        },
    }


def data_of(touchpoint: Touchpoint, customer: Data | None) -> Data:
    """Return the whole `data` of an event: the customer and the fields its kind promises, in their order."""
    noted = touchpoint.data or {}
    said = {name: noted.get(name) for name in PUBLIC.get(touchpoint.kind, ())}
    return {
        "customer": customer,
        **said,
        "occurred_at": touchpoint.occurred_at.isoformat(),
        "channel": touchpoint.channel or None,
    }


def body(touchpoint: Touchpoint, data: Data, endpoint: WebhookEndpoint) -> str:
    """Return the text that is sent: never longer than some kilobytes, whatever was noted."""
    return envelope(
        id=touchpoint.public_id,
        kind=touchpoint.kind,
        at=touchpoint.created_at.isoformat(),
        sequence=sequence(touchpoint.pk),
        is_test=endpoint.merchant.is_test,
        data=mapped(data, endpoint.mapping),
    )


def envelope(*, id: str, kind: str, at: str, sequence: str, is_test: bool, data: Data) -> str:
    said = {
        "id": id,
        "type": kind,
        "timestamp": at,
        "sequence": sequence,
        "test": is_test,
        "data": data,
    }
    return orjson.dumps(said).decode()


def fits(data: Data, filters: Mapping[str, Any]) -> bool:
    """Tell whether an event passes: each path must hold one of the listed values, or lie between two numbers."""
    return all(_passes(_at(data, path), wanted) for path, wanted in filters.items())


def _passes(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return value in wanted
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return bool(wanted.get("min", value) <= value <= wanted.get("max", value))


def mapped(data: Data, mapping: Mapping[str, str]) -> Data:
    """Return `data` with only the fields the mapping names, under its names; without one, all of it."""
    if not mapping:
        return data
    return {name: None if (value := _at(data, path)) is _MISSING else value for name, path in mapping.items()}


def _at(data: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(data, dict) or step not in data:
            return _MISSING
        data = data[step]
    return data


def wrong_filters(filters: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with filters as (pointer, detail)."""
    if not isinstance(filters, dict) or len(filters) > MOST_PARTS:
        yield "/filters", "filters are at most fifty paths, like amount_minor, with what they may hold"
        return
    for path, wanted in filters.items():
        if isinstance(wanted, list):
            is_right = 0 < len(wanted) <= MOST_PARTS and all(_is_plain(one) for one in wanted)
        else:
            is_right = (
                isinstance(wanted, dict)
                and bool(wanted)
                and wanted.keys() <= {"min", "max"}
                and all(isinstance(n, int) and not isinstance(n, bool) for n in wanted.values())
            )
        if not is_right or len(str(path)) > 200:
            yield f"/filters/{path}"[:200], 'it must be a list of values, or numbers like {"min": 500}'


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | bool)


def wrong_mapping(mapping: Any) -> Iterable[tuple[str, str]]:
    """Yield what is wrong with a mapping as (pointer, detail)."""
    if not isinstance(mapping, dict) or len(mapping) > MOST_PARTS:
        yield (
            "/mapping",
            "a mapping is at most fifty names, each with the path of a field, like customer.email",
        )
        return
    for name, path in mapping.items():
        if not isinstance(path, str) or not 0 < len(path) <= 200 or not 0 < len(name) <= 100:
            yield f"/mapping/{name}"[:200], "it must be the path of a field, like customer.email"
