"""What the doors show of a customer's points and tier: one statement, two where something is due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.models import Customer
from lib import db
from lib.errors import Gone, NotFound
from loyalty import ledger, programs, standing, tiers
from loyalty.plan import Plan
from loyalty.standing import FIGURES, FIRST_DAY, Standing
from merchants.models import Merchant


class Erased(Gone):
    code = "erased"


def balance(
    *, merchant: Merchant, customer_id: int, at: datetime, program_id: int | None = None
) -> dict[str, Any]:
    """
    Return a customer's points and tier as they stand at `at`, due activations and expiries done.

    `{active, available, held, pending, debt, lifetime_earned, expiring, activating, tier, as_of}`.

    :raises NotFound: there is no such customer here
    """
    plan = programs.current(merchant=merchant, program_id=program_id)
    found = _read(merchant, plan, "named.id = %s", [customer_id], at)
    if not found:
        if Customer.objects.filter(merchant=merchant, pk=customer_id).exists():
            return _empty(plan, at)
        raise NotFound("There is no such customer.")
    if found[0].row[0] == "erased":
        raise Erased("This customer has been erased.")
    return _shape(plan, found[0], at)


def of_many(*, merchant: Merchant, customers: Sequence[int], at: datetime) -> dict[int, dict[str, Any]]:
    """Return the balances of these customers by id, in as many statements as for one; without strangers."""
    plan = programs.current(merchant=merchant)
    source, params = db.given({"id": "bigint"}, [(number,) for number in customers])
    found = _read(merchant, plan, f"named.id IN (SELECT given.id FROM {source})", params, at)
    return {one.row[1]: _shape(plan, one, at) for one in found}


@dataclass(frozen=True, slots=True)
class _Found:
    """A member's row, their account as it stands now, and what its lots come to if they were not read."""

    row: tuple[Any, ...]
    account: ledger.AccountState
    sums: list[ledger.Sum]


def _read(merchant: Merchant, plan: Plan, whose: str, params: Sequence[Any], at: datetime) -> list[_Found]:
    found = [_Found(row, *ledger.account_of(row[9:])) for row in _ask(merchant, plan, whose, params, at).rows]
    due = [one.account.id for one in found if one.account.is_due(at)]
    if not due:
        return found
    # Few, and not for long: a job does what is due.
    these, ids = db.any_of("m.id", "bigint", due)
    again = _ask(merchant, plan, these, ids, at, lots=True).rows
    settled = [_Found(row, ledger.account_at(row[9:], at=at), []) for row in again]
    return [one for one in found if not one.account.is_due(at)] + settled


def _shape(plan: Plan, found: _Found, at: datetime) -> dict[str, Any]:
    account = found.account
    one = _standing(plan, account.id, found.row, at)
    return ledger.shape(
        account,
        tier=tiers.progress(plan, one, at=at),
        expiring=ledger.expiring(account, found.sums),
        waiting=ledger.activating(account, found.sums),
        at=at,
    )


def _ask(
    merchant: Merchant, plan: Plan, whose: str, params: Sequence[Any], at: datetime, *, lots: bool = False
) -> db.Answer:
    only = "AND d.currency = %s" if plan.tiers.metric == "spend" else ""
    # The window of a membership year begins on another day for each member: its figure is asked for apart.
    today = plan.local(at).date()
    starts = max(plan.tiers.window_starts(today, joined=today), FIRST_DAY)
    return db.ask(
        f"""
        SELECT c.status, c.id, m.joined_at, m.tier, m.tier_since, m.tier_until, m.is_manual,
               (SELECT {FIGURES[plan.tiers.metric]} FROM loyalty_customerday d
                WHERE d.merchant_id = m.merchant_id AND d.membership_id = m.id
                  AND d.day >= %s AND d.day <= %s {only}), m.id,
               {ledger.accounts_sql(lots=lots)}
        FROM customers_customer named
        JOIN customers_customer c ON c.id = COALESCE(named.merged_into_id, named.id)
        JOIN loyalty_membership m ON m.merchant_id = c.merchant_id AND m.customer_id = c.id
             AND m.program_id = %s
        JOIN loyalty_account a ON a.membership_id = m.id
        WHERE named.merchant_id = %s AND {whose}
        """,
        [
            starts,
            today,
            *([plan.currency] if only else []),
            plan.program_id,
            merchant.pk,
            *params,
        ],
    )


def _standing(plan: Plan, membership_id: int, row: tuple[Any, ...], at: datetime) -> Standing:
    joined = db.time(row[2]) or at
    one = Standing(
        membership_id=membership_id,
        customer_id=row[1],
        joined_at=joined,
        tier=row[3],
        tier_since=db.time(row[4]),
        tier_until=db.time(row[5]),
        is_manual=bool(row[6]),
    )
    day = plan.local(at).date()
    one.figures[day] = int(row[7] or 0)
    if plan.tiers.window == "membership_year":
        look = (membership_id, joined, day, day)
        figures = standing.ask_figures(plan, merchant_id=row[10], looks=[look]).rows
        one.figures[day] = int(figures[0][8] or 0)
    return one


def _empty(plan: Plan, at: datetime) -> dict[str, Any]:
    """Return the balance of somebody who is not a member of this program yet."""
    nobody = ledger.AccountState(0, 0)
    one = Standing(membership_id=0, customer_id=0, joined_at=at)
    return ledger.shape(nobody, tier=tiers.progress(plan, one, at=at), expiring=[], waiting=[], at=at)
