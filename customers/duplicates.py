"""
Customers who are likely one person, found by a few signals that are rarely wrong, in one statement.

A pair that staff said are two people is never offered again. Of many that look alike, each is offered with
the one who joined before, so a name that a thousand people share makes no million pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from customers import journey
from customers.models import Customer, NotTheSame
from lib import db, public_ids
from lib.errors import Malformed, NotFound
from merchants.models import Merchant

MOST = 100
GMAIL = "('gmail.com', 'googlemail.com')"
# Why two look like one, in the order of how sure it is.
REASONS: dict[str, Any] = {
    "email": _("The same e-mail address, spelled differently"),
    "phone": _("The same phone number with another country code"),
    "name": _("The same name and birthday"),
}


class SamePerson(Malformed):
    code = "same_customer"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two customers, who joined first comes first, and why they look like one (keys of REASONS)."""

    first: int
    second: int
    reasons: tuple[str, ...]


def find(*, merchant: Merchant, limit: int = MOST) -> list[Pair]:
    """Return up to `limit` pairs of active customers who are likely one person, the surest first."""
    rows = db.ask(_sql(), [merchant.pk, merchant.pk, merchant.pk, merchant.pk, limit]).rows
    order = list(REASONS)
    return [
        Pair(first, second, tuple(sorted(set(reasons.split(",")), key=order.index)))
        for first, second, reasons in rows
    ]


def _sql() -> str:
    listed = "string_agg(alike.reason, ',')" if db.is_postgres() else "group_concat(alike.reason, ',')"
    return f"""
        WITH said AS (
            SELECT c.id, 'name' AS reason, LOWER(TRIM(c.name)) || '|' || c.birthday AS text
            FROM customers_customer c
            WHERE c.merchant_id = %s AND c.status = 'active' AND c.name <> '' AND c.birthday <> ''
            UNION ALL
            SELECT i.customer_id, i.type, {_plain_contact()}
            FROM customers_identifier i JOIN customers_customer c ON c.id = i.customer_id
            WHERE i.merchant_id = %s AND c.merchant_id = %s AND c.status = 'active'
              AND i.type IN ('email', 'phone')
        ), alike AS (
            SELECT id AS second, reason,
                   LAG(id) OVER (PARTITION BY reason, text ORDER BY id) AS first
            FROM (SELECT DISTINCT id, reason, text FROM said) once
        )
        SELECT alike.first, alike.second, {listed}
        FROM alike
        LEFT JOIN customers_notthesame apart ON apart.merchant_id = %s
             AND apart.first_id = alike.first AND apart.second_id = alike.second
        WHERE alike.first IS NOT NULL AND apart.id IS NULL
        GROUP BY alike.first, alike.second
        ORDER BY COUNT(*) DESC, MIN(CASE alike.reason WHEN 'email' THEN 1 WHEN 'phone' THEN 2 ELSE 3 END),
                 alike.second DESC
        LIMIT %s
    """


def _plain_contact() -> str:
    """
    Return SQL for what is left of a contact when its spelling is put aside: an e-mail without what follows a
    plus sign, at Gmail also without dots; the last nine digits of a phone.
    """
    place, tail = ("STRPOS", "RIGHT(i.value, 9)") if db.is_postgres() else ("INSTR", "SUBSTR(i.value, -9)")
    name = f"SUBSTR(i.value, 1, {place}(i.value, '@') - 1)"
    domain = f"SUBSTR(i.value, {place}(i.value, '@') + 1)"
    plain = (
        f"CASE WHEN {place}({name}, '+') > 1 THEN SUBSTR({name}, 1, {place}({name}, '+') - 1) ELSE {name} END"
    )
    return f"""
        CASE WHEN i.type = 'phone' THEN {tail}
             WHEN {domain} IN {GMAIL} THEN REPLACE({plain}, '.', '') || '@gmail.com'
             ELSE {plain} || '@' || {domain} END
    """


@db.command
def set_apart(*, first: Customer, second: Customer, at: datetime, by: str) -> None:
    """
    Remember that these two are not the same person. Repeating changes nothing.

    :raises SamePerson: it is one customer
    :raises NotFound: they are customers of two merchants
    """
    if first.pk == second.pk:
        raise SamePerson("This is one customer.")
    if first.merchant_id != second.merchant_id:
        raise NotFound("There is no such customer.")
    older, newer = sorted((first, second), key=lambda one: one.pk)
    row = {
        "id": public_ids.new(),
        "merchant_id": older.merchant_id,
        "first_id": older.pk,
        "second_id": newer.pk,
        "by": by,
        "at": at,
    }
    claimed = db.claim(NotTheSame, row, on_conflict="(merchant_id, first_id, second_id) DO NOTHING")
    if claimed.rows:
        for one, other in ((older, newer), (newer, older)):
            data = {"other": other.public_id, "by": by}
            journey.note(customer=one, kind="customer.set_apart", at=at, data=data)


def pairs_of(*, merchant_id: int, customers: Sequence[int]) -> Any:
    """Return the rows that say of these customers that somebody else is not they."""
    rows = NotTheSame.objects.filter(merchant_id=merchant_id)
    return rows.filter(Q(first__in=customers) | Q(second__in=customers))
