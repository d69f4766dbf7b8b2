"""
Points that a higher room gives for a reason of its own, each once for ever by its reference.

They never count for tiers: nobody reaches Gold by being written to.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lib import db
from loyalty import desk, known, lookup, programs
from loyalty.desk import Desk
from loyalty.ledger import Cause, Grant
from loyalty.models import Reference
from merchants.models import Merchant

SOURCE, KIND = "program", "bonus"


@dataclass(frozen=True, slots=True)
class Gift:
    """Points for one customer. `code` and `source` say in the entry's reason what gave them, `text` its name."""

    customer_id: int
    points: int
    reference: str
    code: str
    source: str
    text: str


@db.inside_transaction
def give_all(
    *, merchant: Merchant, customers: Sequence[int], wanted: Callable[[], Sequence[Gift]], at: datetime
) -> dict[str, int]:
    """
    Lock the accounts of these customers, ask `wanted` behind the lock what to give, and give it.

    Return the points by reference, those of gifts that were given before too.
    """
    plan = programs.current(merchant=merchant)
    found = lookup.people(merchant=merchant, plan=plan, asked=[(one, None) for one in customers], at=at)
    people = {person.customer_id: person for person in found if person is not None}
    work = Desk(merchant=merchant, source=SOURCE, at=at, by=SOURCE)
    desk.gather(work, looks=[(person, at) for person in people.values()])
    gifts = [gift for gift in wanted() if gift.customer_id in people]
    said = set(
        Reference.objects.filter(
            merchant_id=merchant.pk,
            source=SOURCE,
            kind=KIND,
            reference__in=[gift.reference for gift in gifts],
        ).values_list("reference", flat=True)
    )
    for gift in gifts:
        if gift.reference not in said:
            said.add(gift.reference)
            _give(work, people[gift.customer_id], gift)
    desk.write(work)
    return {gift.reference: gift.points for gift in gifts}


def _give(work: Desk, person: lookup.Person, gift: Gift) -> None:
    account, plan = work.account(person.membership_id), work.plan
    ends = plan.expiry.ends(work.at, zone=plan.zone)
    reason = {"code": gift.code, gift.code: gift.source, "text": gift.text, "points": gift.points}
    work.book.earn(
        account,
        [Grant(gift.points, rule=gift.code, expires_at=ends)],
        cause=Cause(work.at, gift.reference, reason=reason, by=work.by),
        kind="bonus",
    )
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=SOURCE,
            kind=KIND,
            reference=gift.reference,
            target_id=int(account.entries[-1]["id"]),
            at=work.at,
        )
    )
    data = {"kind": gift.code, gift.code: gift.source, "points": gift.points}
    work.note("bonus.given", customer_id=person.customer_id, at=work.at, data=data)
