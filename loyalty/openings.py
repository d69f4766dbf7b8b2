"""
Balances that customers bring from another system: each batch of points is opened once, with its own dates.

A batch is one entry of kind `adjust` and one lot; a figure below zero is a debt. Nobody is told: what is
brought from elsewhere is no news, gives no welcome, and is written as history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from customers import journey
from customers.people import Newcomer
from lib import db
from lib.errors import DomainError, Malformed, ReferenceReused, Refused
from loyalty import desk, known, ledger, lookup, newcomers, tiers
from loyalty.desk import Desk
from loyalty.ledger import Cause, Grant
from loyalty.lookup import Person
from loyalty.models import Reference
from loyalty.standing import Standing
from merchants.models import Merchant

SOURCE = KIND = "import"
Told = dict[str, Any]


class AlreadyExpired(Refused):
    code = "expired"


class NoSuchTier(Malformed):
    code = "unknown_tier"


class VisitsCannotBeCarried(Refused):
    code = "visits_not_carried"


@dataclass(frozen=True, slots=True)
class Opening:
    """
    One batch of points as another system knew it, and what it knew about the customer.

    `expires_at` is a time, None for never, or `program`: as the program says for points of `earned_at`.
    `lifetime` are all points ever earned there. `sums` (spend_minor, points, orders) qualify for the tier on
    the day `sums_on`. A `tier` lasts until `tier_until`, without it as long as the program says.
    """

    reference: str
    system: str
    who: Newcomer
    points: int
    expires_at: datetime | Literal["program"] | None = "program"
    earned_at: datetime | None = None
    lifetime: int | None = None
    tier: str = ""
    tier_until: datetime | None = None
    sums: Mapping[str, int] = field(default_factory=dict)
    sums_on: date | None = None

    def told(self) -> Told:
        """Return what a repeat must say again."""
        return {
            "points": self.points,
            "expires_at": self.expires_at.isoformat()
            if isinstance(self.expires_at, datetime)
            else self.expires_at,
            "earned_at": self.earned_at.isoformat() if self.earned_at else None,
        }


@dataclass(slots=True)
class OpeningReceipt:
    """One batch's answer: status created, replayed or rejected; who it was for, and if they are new here."""

    status: Literal["created", "replayed", "rejected"]
    customer_id: int | None = None
    is_new: bool = False
    error: DomainError | None = None


@db.command
def bring_all(
    *, merchant: Merchant, openings: Sequence[Opening], at: datetime, by: str
) -> list[OpeningReceipt]:
    """
    Find or enroll the customers of thousands of batches and open their points, one statement per table.

    All or nothing, and once per reference: a batch that is known is `replayed` and changes nothing, one with
    other points or dates than before is rejected with the names of what differs. One bad batch spoils no other.

    :raises NoProgram: the merchant has no published program
    """
    with journey.as_history():
        return _bring_all(Desk(merchant=merchant, source=SOURCE, at=at, by=by), openings)


def _bring_all(work: Desk, openings: Sequence[Opening]) -> list[OpeningReceipt]:
    receipts: dict[int, OpeningReceipt] = {}
    going: dict[int, Opening] = {}
    said = _said(work.merchant, openings)
    for place, one in enumerate(openings):
        if one.reference in said:
            receipts[place] = _repeat(one, said[one.reference])
        elif (error := _refusal(work, one)) is not None:
            receipts[place] = OpeningReceipt("rejected", error=error)
        else:
            going[place] = one
            said[one.reference] = one.told()
    found = newcomers.find_or_enroll(
        merchant=work.merchant,
        people={place: one.who for place, one in going.items()},
        at=work.at,
        by=work.by,
    )
    for place, who in found.items():
        receipts[place] = (
            OpeningReceipt("rejected", error=who)
            if isinstance(who, DomainError)
            else OpeningReceipt("created", who.customer_id, who.is_new)
        )
    persons = _gather(work, [one.customer_id for one in receipts.values() if one.customer_id is not None])
    for place, one in going.items():
        number = receipts[place].customer_id
        if number is not None:
            _open(work, persons[number], one)
    desk.write(work)
    return [receipts[place] for place in range(len(openings))]


def _said(merchant: Merchant, openings: Sequence[Opening]) -> dict[str, Told]:
    """Return what was said under these references before."""
    rows = Reference.objects.filter(
        merchant_id=merchant.pk, source=SOURCE, kind=KIND, reference__in=[one.reference for one in openings]
    ).values_list("reference", "target_id")
    targets = dict(rows)
    entries = ledger.entries(merchant_id=merchant.pk).filter(pk__in=[one for one in targets.values() if one])
    told = {number: reason.get("told", {}) for number, reason in entries.values_list("pk", "reason")}
    # A batch of no points has no entry, and no dates that matter.
    return {reference: told.get(target, {"points": 0}) for reference, target in targets.items()}


def _repeat(one: Opening, first: Told) -> OpeningReceipt:
    now = one.told()
    differ = [name for name in first if first[name] != now[name]]
    if not differ:
        return OpeningReceipt("replayed")
    before = ", ".join(f"{name} {first[name]}, now {now[name]}" for name in differ)
    error = ReferenceReused(one.reference, of="a row that was imported before", differ=differ)
    error.args = (
        f"This row was imported before with {before}. Nothing was changed: adjust the customer's points by "
        "hand, or put the row back as it was.",
    )
    return OpeningReceipt("rejected", error=error)


def _refusal(work: Desk, one: Opening) -> DomainError | None:
    if isinstance(one.expires_at, datetime) and one.expires_at <= work.at and one.points > 0:
        return AlreadyExpired(
            f"These points expired on {work.plan.local(one.expires_at).date()}. Leave the row out, or give "
            "them a later date."
        )
    if one.tier and work.plan.tiers.level(one.tier) is None:
        known_tiers = ", ".join(level.name for level in work.plan.tiers.levels) or "none yet"
        return NoSuchTier(
            f"There is no tier {one.tier!r}. Known: {known_tiers}. Add it to the program, or name ours under "
            "`tiers` in the map."
        )
    if one.tier_until is not None and one.tier_until <= work.at:
        return NoSuchTier("The tier has ended: leave tier and tier_until empty, or give a later date.")
    if one.sums.get("orders") and work.plan.tiers.metric == "visits":
        return VisitsCannotBeCarried(
            "This program's tiers count days with a purchase, which a sum cannot say. Give the tier with "
            "tier_until instead."
        )
    return None


def _gather(work: Desk, customers: Sequence[int]) -> dict[int, Person]:
    """Lock the accounts of these customers and read where they stand."""
    numbers = sorted(set(customers))
    found = lookup.people(
        merchant=work.merchant, plan=work.plan, asked=[(number, None) for number in numbers], at=work.at
    )
    persons = {number: one for number, one in zip(numbers, found, strict=True) if one is not None}
    desk.gather(work, looks=[(one, work.at) for one in persons.values()], lots=True)
    return persons


def _open(work: Desk, person: Person, one: Opening) -> None:
    """Open the points in memory, keep the reference, and put the customer where they stood."""
    entry_id = _book(work, person, one) if one.points else 0
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=SOURCE,
            kind=KIND,
            reference=one.reference,
            target_id=entry_id,
            at=work.at,
        )
    )
    account = work.account(person.membership_id)
    if one.lifetime is not None and (more := one.lifetime - max(one.points, 0)) > 0:
        account.lifetime_earned += more
        account.is_changed = True
    standing = work.standings[person.membership_id]
    before = standing.tier
    _stand(work, standing, one)
    if standing.tier != before:
        moved = {"from": before, "to": standing.tier}
        work.note("tier.changed", customer_id=person.customer_id, at=work.at, data=moved)
    data = {"points": one.points, "system": one.system, "by": work.by}
    work.note("points.imported", customer_id=person.customer_id, at=work.at, data=data)


def _book(work: Desk, person: Person, one: Opening) -> int:
    account = work.account(person.membership_id)
    reason = {"code": "import", "system": one.system, "told": one.told()}
    cause = Cause(work.at, one.reference, reason=reason, by=work.by)
    if one.points > 0:
        ends = one.expires_at
        if ends == "program":
            ends = work.plan.expiry.ends(work.at, zone=work.plan.zone)
        grant = Grant(one.points, rule="import", expires_at=ends, earned_at=one.earned_at)
        work.book.earn(account, [grant], cause=cause, kind="adjust")
    else:
        work.book.take(account, -one.points, cause=cause, kind="adjust")
    return int(account.entries[-1]["id"])


def _stand(work: Desk, standing: Standing, one: Opening) -> None:
    """Count what qualifies, and give the tier: the higher of theirs, ours, and what the figure reaches."""
    plan = work.plan
    if any(one.sums.values()):
        day = one.sums_on or plan.local(work.at).date()
        standing.count_day(day, plan.currency, **one.sums)
    level = plan.tiers.level(one.tier) if one.tier else None
    if level is not None:
        if plan.tiers.rank(level.name) > plan.tiers.rank(standing.tier):
            standing.move(
                plan,
                to=level,
                at=work.at,
                now=work.at,
                reason="imported",
                by=work.by,
                figures={"system": one.system},
                until=one.tier_until,
            )
        elif level.name == standing.tier and _is_longer(one.tier_until, standing.tier_until):
            standing.tier_until, standing.is_changed = one.tier_until, True
    tiers.lift(plan, standing, at=work.at, now=work.at)


def _is_longer(new: datetime | None, old: datetime | None) -> bool:
    return new is not None and old is not None and new > old
