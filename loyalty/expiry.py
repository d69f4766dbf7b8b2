"""What time does to points: pending ones become usable, old ones expire. Set-based, resumable, repeatable."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import groupby

from customers import journey
from lib import db
from lib.errors import Refused
from loyalty import calendar, ledger, lookup, programs, purposes
from loyalty.ledger import Cause, Grant
from loyalty.models import Membership
from merchants.models import Merchant

CHUNK = 1000


class TooLate(Refused):
    """The points expired longer ago than the program lets staff give them back."""

    code = "reinstate_too_late"


def run(*, at: datetime, merchant: Merchant | None = None) -> int:
    """
    Do everything due by `at`; return how many accounts were settled.

    Reads enforce what is due anyway: this writes it down. Two runs at once share the work; a killed one
    leaves whole chunks behind, and the next goes on.
    """
    done = 0
    while due := ledger.due_accounts(at=at, limit=CHUNK, merchant_id=merchant.pk if merchant else None):
        for merchant_id, rows in groupby(sorted(due), key=lambda row: row[0]):
            done += settle(merchant_id=merchant_id, memberships=[number for _, number in rows], at=at)
        if len(due) < CHUNK:
            break
    return done


@db.command
def settle(*, merchant_id: int, memberships: list[int], at: datetime) -> int:
    """End the holds, activate and expire the points that are due, and note it for each customer."""
    book = ledger.lock(merchant_id=merchant_id, memberships=memberships, at=at, lots=False, merged=True)
    moved = [account for account in book.accounts.values() if account.entries or account.holds]
    owners = dict(
        Membership.objects.filter(pk__in=[account.id for account in moved]).values_list("pk", "customer_id")
    )
    notes = []
    for account in moved:
        for kind, name in (("expire", "points.expired"), ("activate", "points.activated")):
            points = sum(abs(entry["points"]) for entry in account.entries if entry["kind"] == kind)
            if points:
                notes.append(
                    journey.row(
                        merchant_id=merchant_id,
                        customer_id=owners[account.id],
                        kind=name,
                        at=at,
                        now=at,
                        data={"points": points},
                    )
                )
        notes += [
            journey.row(
                merchant_id=merchant_id,
                customer_id=owners[account.id],
                kind="hold.expired",
                at=hold.ended_at or at,
                now=at,
                data=hold.facts(),
            )
            for hold in account.holds
            if hold.has_lapsed
        ]
    purposes.let_go_of_ended(merchant_id=merchant_id, accounts=moved)
    for account in book.accounts.values():
        account.is_changed = True  # its next due time moved, also where a held lot was left alone
    ledger.write(book)
    journey.note_all(notes)
    return len(book.accounts)


@db.command
def extend(
    *,
    merchant: Merchant,
    due: Mapping[int, Collection[datetime]],
    days: int,
    reason: str,
    by: str,
    at: datetime,
) -> int:
    """
    Keep the open lots of these customers that expire at these times `days` longer; return how many points.

    Before they expire only: what is over stays over. Repeating finds nothing at those times any more.
    """
    plan = programs.current(merchant=merchant)
    found = lookup.people(merchant=merchant, plan=plan, asked=[(number, None) for number in due], at=at)
    people = {person.membership_id: person.customer_id for person in found if person is not None}
    book = ledger.lock(merchant_id=merchant.pk, memberships=sorted(people), at=at)
    notes, kept = [], 0
    for account in book.accounts.values():
        customer_id = people[account.id]
        lots = [
            lot for lot in account.lots or () if lot.state == "open" and lot.expires_at in due[customer_id]
        ]
        if not lots:
            continue
        points = sum(lot.remaining for lot in lots)
        first = min(lot.expires_at for lot in lots if lot.expires_at)
        to = calendar.midnight(plan.local(first).date() + timedelta(days=days), plan.zone)
        cause = Cause(at, reason={"code": "extend", "text": reason}, by=by)
        book.extend(account, lots, to=to, cause=cause)
        kept += points
        notes.append(
            journey.row(
                merchant_id=merchant.pk,
                customer_id=customer_id,
                kind="points.extended",
                at=at,
                now=at,
                data={"points": points, "expires_at": to.isoformat(), "reason": reason},
            )
        )
    ledger.write(book)
    journey.note_all(notes)
    return kept


@db.command
def reinstate(
    *, merchant: Merchant, customer_id: int, points: int, reason: str, reference: str, by: str, at: datetime
) -> None:
    """
    Give back points that expired within the program's days, for as long as new points last.

    :raises TooLate: fewer than `points` expired within those days
    """
    plan = programs.current(merchant=merchant)
    person = lookup.people(merchant=merchant, plan=plan, asked=[(customer_id, None)], at=at)[0]
    assert person is not None
    book = ledger.lock(merchant_id=merchant.pk, memberships=[person.membership_id], at=at)
    since = at - timedelta(days=plan.reinstate_days)
    own = ledger.entries(merchant_id=merchant.pk, memberships=[person.membership_id])
    recent = own.filter(occurred_at__gte=since, kind__in=["expire", "reinstate"])
    if own.filter(kind="reinstate", reference=reference).exists():
        return
    lost = -sum(recent.values_list("points", flat=True))
    if points > lost:
        raise TooLate(
            f"{lost} points expired in the last {plan.reinstate_days} days; no more can be given back."
        )
    cause = Cause(occurred_at=at, reference=reference, by=by, reason={"code": "reinstate", "text": reason})
    account = book[person.membership_id]
    book.earn(
        account,
        [Grant(points, expires_at=plan.expiry.ends(at, zone=plan.zone))],
        cause=cause,
        kind="reinstate",
    )
    account.lifetime_earned -= points
    purposes.let_go_of_ended(merchant_id=merchant.pk, accounts=[account])
    ledger.write(book)
    journey.note_all(
        [
            journey.row(
                merchant_id=merchant.pk,
                customer_id=person.customer_id,
                kind="points.reinstated",
                at=at,
                now=at,
                data={"points": points, "reason": reason, "by": by},
            )
        ]
    )
