"""Who is meant: the customers and memberships behind ids and identifiers, in one statement for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from customers.identifiers import Given, InvalidIdentifier, normalize
from lib import db, public_ids
from loyalty import ledger
from loyalty.models import Membership
from loyalty.plan import Plan
from merchants.models import Merchant

Who = tuple[int | None, Given | None]


@dataclass(frozen=True, slots=True)
class Person:
    """A customer found, as the target of any merge. `membership_id` is in the program that was asked for."""

    customer_id: int
    status: str
    membership_id: int
    joined_at: datetime


def waits_for(given: Given, *, country: str) -> str:
    """Return how an unmatched fact names the identifier it waits for."""
    return f"{given.type}|{given.source}|{normalize(type=given.type, value=given.value, country=country)}"


@db.inside_transaction
def people(*, merchant: Merchant, plan: Plan, asked: Sequence[Who], at: datetime) -> list[Person | None]:
    """
    Return the person behind each customer id or identifier, None for who is not here.

    Whoever has no membership in this program yet becomes a member.
    """
    rows: list[tuple[int, int | None, str | None, str | None, str | None]] = []
    for place, (customer_id, given) in enumerate(asked):
        if customer_id is not None:
            rows.append((place, customer_id, None, None, None))
        elif given is not None:
            try:
                value = normalize(type=given.type, value=given.value, country=merchant.country)
            except InvalidIdentifier:
                continue
            rows.append((place, None, given.type, given.source, value))
    found: list[Person | None] = [None] * len(asked)
    strangers: dict[int, int] = {}
    for place, customer_id, status, membership_id, joined_at in (
        _ask(merchant, plan, rows).rows if rows else ()
    ):
        if membership_id is None:
            strangers[place] = customer_id
        else:
            found[place] = Person(customer_id, status, membership_id, db.time(joined_at) or at)
    if strangers:
        join(merchant_id=merchant.pk, plan=plan, customers=sorted(set(strangers.values())), at=at)
        again = people(merchant=merchant, plan=plan, asked=[(one, None) for one in strangers.values()], at=at)
        found = [again.pop(0) if place in strangers else one for place, one in enumerate(found)]
    return found


def _ask(
    merchant: Merchant, plan: Plan, rows: Sequence[tuple[int, int | None, str | None, str | None, str | None]]
) -> db.Answer:
    source, params = db.given(
        {
            "place": "integer",
            "customer_id": "bigint",
            "type": "varchar",
            "source": "varchar",
            "value": "varchar",
        },
        rows,
    )
    return db.ask(
        f"""
        SELECT given.place, c.id, c.status, m.id, m.joined_at
        FROM {source}
        LEFT JOIN customers_identifier i ON i.merchant_id = %s AND i.type = given.type
             AND i.source = given.source AND i.value = given.value
        JOIN customers_customer named ON named.merchant_id = %s
             AND named.id = COALESCE(given.customer_id, i.customer_id)
        JOIN customers_customer c ON c.id = COALESCE(named.merged_into_id, named.id)
        LEFT JOIN loyalty_membership m ON m.merchant_id = %s AND m.customer_id = c.id AND m.program_id = %s
        ORDER BY given.place
        """,
        [*params, merchant.pk, merchant.pk, merchant.pk, plan.program_id],
    )


@db.inside_transaction
def join(*, merchant_id: int, plan: Plan, customers: Sequence[int], at: datetime) -> list[int]:
    """
    Make these customers members of the plan's program, with an account each; return the new membership ids.

    Somebody who is a member already stays as they are.
    """
    first = plan.tiers.reached(0)
    ids = public_ids.new_many(len(customers))
    db.insert(
        Membership,
        [
            {
                "id": number,
                "merchant_id": merchant_id,
                "program_id": plan.program_id,
                "customer_id": customer_id,
                "tier": first.name if first else "",
                "tier_since": at if first else None,
                "tier_until": None,
                "is_manual": False,
                "warned_days": 0,
                "joined_at": at,
            }
            for number, customer_id in zip(ids, customers, strict=True)
        ],
        on_conflict="(merchant_id, customer_id, program_id) DO NOTHING",
    )
    source, params = db.given({"id": "bigint"}, [(number,) for number in ids])
    kept = db.ask(f"SELECT m.id FROM {source} JOIN loyalty_membership m ON m.id = given.id", params).rows
    ledger.open_accounts(merchant_id=merchant_id, memberships=[number for (number,) in kept])
    return [number for (number,) in kept]
