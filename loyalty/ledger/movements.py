"""
What the entries add up to, as statements: by day for the books, by month of issue and age for estimates.

Both take the entries of one merchant with ids beyond `after`, up to `until`, so that a reader may keep sums
and add what came since. The books count an entry on the local day it was booked (`created_at`): a day that is over
never changes. Estimates count it when it happened (`occurred_at`), since a customer's habit is what they measure.
"""

from datetime import datetime

from lib import db, public_ids
from loyalty.models.ledger import Entry
from merchants.models import Merchant

Statement = tuple[str, list[object]]
NO_END = 2**63 - 1

# What a refund took and its undoing gave again is one line of the books, though it arrives as a new lot.
_KIND = "CASE WHEN e.kind = 'return' AND {code} = 'refund_undone' THEN 'clawback' ELSE e.kind END"


def by_day(*, merchant: Merchant, after: Statement, until: int = NO_END) -> Statement:
    """
    Return a SELECT of (program_id, day, kind, points, pending, entries): the sums of each local day.

    `after` is an id, as a piece of SQL with its parameters.
    """
    return (
        f"""
        SELECT m.program_id, {_day("e.created_at")} AS day, {_kind()} AS kind, SUM(e.points) AS points,
               SUM(e.pending) AS pending, COUNT(*) AS entries
        FROM loyalty_entry e JOIN loyalty_membership m ON m.merchant_id = e.merchant_id AND m.id = e.account_id
        WHERE e.merchant_id = %s AND e.id > {after[0]} AND e.id <= %s GROUP BY 1, 2, 3
        """,
        [merchant.timezone, merchant.pk, *after[1], until],
    )


def by_cohort(*, merchant: Merchant, after: Statement, until: int = NO_END) -> Statement:
    """
    Return a SELECT of (program_id, month, age, issued, redeemed, expired) of lots, by their month of issue and the
    months between it and what happened. Months are numbers: year x 12 + month - 1.

    issued - redeemed - expired of all ages is what the lots of a month still hold, open or pending. `issued` is
    net of what was taken back or paid a debt. A lot that moves to another customer keeps its month.
    """
    month, moved = _month("issued_on"), _month("moved_on")
    return (
        f"""
        SELECT program_id, {month} AS month, CASE WHEN moved_on > issued_on THEN {moved} - {month} ELSE 0 END AS age,
               SUM(CASE WHEN kind NOT IN ({_USED}, 'expire') THEN effect ELSE 0 END) AS issued,
               SUM(CASE WHEN kind IN ({_USED}) THEN -effect ELSE 0 END) AS redeemed,
               SUM(CASE WHEN kind = 'expire' THEN -effect ELSE 0 END) AS expired
        FROM (
            SELECT m.program_id, {_day("l.earned_at")} AS issued_on, {_day("e.occurred_at")} AS moved_on,
                   {_kind()} AS kind, {_part(1)} + {_part(2)} AS effect
            FROM loyalty_entry e
            JOIN loyalty_membership m ON m.merchant_id = e.merchant_id AND m.id = e.account_id
            CROSS JOIN {_parts()}
            JOIN loyalty_lot l ON l.id = {_part(0)}
            WHERE e.merchant_id = %s AND e.id > {after[0]} AND e.id <= %s
        ) moved GROUP BY 1, 2, 3
        """,
        [merchant.timezone, merchant.timezone, merchant.pk, *after[1], until],
    )


_USED = "'redeem', 'hold_capture', 'return'"


def last_entry(*, merchant_id: int, before: datetime) -> int | None:
    """Return the id of a merchant's newest entry that was made before a time; None when there is none."""
    rows = Entry.objects.filter(merchant_id=merchant_id, pk__lt=public_ids.first_of(before))
    return rows.order_by("-pk").values_list("pk", flat=True).first()


def outstanding_sql() -> str:
    """Return a SELECT of (program_id, points, pending): what the accounts of a merchant (a parameter) say."""
    return (
        "SELECT m.program_id, SUM(a.active - a.debt) AS points, SUM(a.pending) AS pending FROM loyalty_account a "
        "JOIN loyalty_membership m ON m.merchant_id = a.merchant_id AND m.id = a.membership_id "
        "WHERE a.merchant_id = %s GROUP BY m.program_id"
    )


def _kind() -> str:
    return _KIND.format(code="e.reason->>'code'" if db.is_postgres() else "json_extract(e.reason, '$.code')")


def _day(column: str) -> str:
    """Return the local date of a column; the zone is a parameter."""
    if db.is_postgres():
        return f"CAST({column} AT TIME ZONE %s AS date)"
    return f"django_datetime_cast_date({column}, %s, 'UTC')"


def _month(day: str) -> str:
    if db.is_postgres():
        return f"CAST(EXTRACT(YEAR FROM {day}) * 12 + EXTRACT(MONTH FROM {day}) - 1 AS integer)"
    return f"(substr({day}, 1, 4) * 12 + substr({day}, 6, 2) - 1)"


def _parts() -> str:
    return "jsonb_array_elements(e.lots) AS part(value)" if db.is_postgres() else "json_each(e.lots) AS part"


def _part(place: int) -> str:
    if db.is_postgres():
        return f"CAST(part.value->>{place} AS bigint)"
    return f"json_extract(part.value, '$[{place}]')"
