"""Customers with their identifiers and consents, as doors show them: one statement for any number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lib import db
from merchants.models import Merchant


@dataclass(frozen=True, slots=True)
class Record:
    """
    One customer. `identifiers` are (type, source, value, is verified), oldest first, with those of whoever
    was merged into them; `consents` the customer's own answers in force: (channel, purpose, granted, at).
    """

    id: int
    name: str
    status: str
    merged_into_id: int | None
    birthday: str
    language: str
    timezone: str
    referral_code: str
    created_at: datetime
    identifiers: list[tuple[str, str, str, bool]]
    consents: list[tuple[str, str, bool, datetime]]


def read(*, merchant: Merchant, customers: Sequence[int]) -> dict[int, Record]:
    """Return the records of these customers by id; who is not this merchant's is left out."""
    source, params = db.given({"id": "bigint"}, [(number,) for number in customers])
    rows = db.ask(_sql(source), [merchant.pk, *params]).rows
    return {row[0]: _record(row) for row in rows}


def _sql(source: str) -> str:
    if db.is_postgres():
        pack, listed = "json_build_array", "json_agg"
    else:
        pack, listed = "json_array", "json_group_array"
    return f"""
        SELECT c.id, c.name, c.status, c.merged_into_id, c.birthday, c.language, c.referral_code, c.created_at,
               (SELECT {listed}({pack}(i.id, i.type, i.source, i.value, i.verified_at))
                FROM (SELECT c.id AS id UNION ALL
                      SELECT a.id FROM customers_customer a WHERE a.merged_into_id = c.id) whole
                JOIN customers_identifier i ON i.customer_id = whole.id),
               (SELECT {listed}({pack}(s.id, s.channel, s.purpose, s.granted, s.at))
                FROM customers_consent s WHERE s.customer_id = c.id),
               c.timezone
        FROM customers_customer c
        WHERE c.merchant_id = %s AND c.id IN (SELECT given.id FROM {source})
    """


def _record(row: Sequence[Any]) -> Record:
    identifiers = sorted(db.loaded(row[8]) or [])
    newest: dict[tuple[str, str], tuple[str, str, bool, datetime]] = {}
    said = [(db.time(at), number, *answer) for number, *answer, at in db.loaded(row[9]) or []]
    for at, _, channel, purpose, granted in sorted(said):
        newest[channel, purpose] = (channel, purpose, bool(granted), at)
    created_at = db.time(row[7])
    assert created_at is not None
    return Record(
        id=row[0],
        name=row[1],
        status=row[2],
        merged_into_id=row[3],
        birthday=row[4],
        language=row[5],
        timezone=row[10],
        referral_code=row[6],
        created_at=created_at,
        identifiers=[
            (type, source, value, verified_at is not None)
            for _, type, source, value, verified_at in identifiers
        ],
        consents=[newest[key] for key in sorted(newest)],
    )
