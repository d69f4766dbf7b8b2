"""
The benefits of a level: what a customer has, how often it was used in this period, used, and undone.

The limit is asked for behind the lock of the customer's account, so of two tills at once one gets the last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import Count, Q, QuerySet

from customers import merging
from customers.models import Customer
from lib import db, public_ids
from lib.errors import Fault, NotFound, ReferenceReused, Refused
from loyalty import desk, known, lookup, members, programs, purchases, tier_perks
from loyalty.desk import Desk
from loyalty.lookup import Person
from loyalty.models import Reference
from loyalty.plan import Plan
from loyalty.tier_perks import Perk
from rewards.models import PerkGrant, PerkUse

KIND = "perk"


class UnknownPerk(NotFound):
    """No level of this program has such a perk."""


class PerkNotAvailable(Refused):
    """The customer's level does not have it, or it is given by itself on reaching the level."""

    code = "perk_not_available"


class PerkLimitReached(Refused):
    """It was used as often as it may be in this period."""

    code = "perk_limit_reached"


@dataclass(frozen=True, slots=True)
class Holding:
    """
    One perk of a customer's level, with what is left of it.

    `left` is None without a limit. `resets_at` is when the period ends; None where it never does.
    """

    perk: Perk
    used: int
    left: int | None
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
class UseReceipt:
    """One use's answer: created or replayed, and the perk as it is now."""

    status: str
    use: PerkUse
    holding: Holding | None
    is_rolled_back: bool


# --- looking --------------------------------------------------------------------------------------------


def of_customer(*, customer: Customer, at: datetime, program_id: int | None = None) -> list[Holding]:
    """
    Return the perks of the customer's level, its own first, in four statements however many.

    :raises NotFound: the customer is not in the program
    """
    plan = programs.current(merchant=customer.merchant, program_id=program_id)
    membership = members.membership(customer=customer, program=plan)
    return of_tier(customer=customer, plan=plan, tier=membership.tier, joined_at=membership.joined_at, at=at)


def of_tier(*, customer: Customer, plan: Plan, tier: str, joined_at: datetime, at: datetime) -> list[Holding]:
    """Do what `of_customer` does, for who knows the plan and the tier; nothing is asked where it has no perks."""
    perks = tier_perks.held(plan.tiers, tier)
    if not perks:
        return []
    whose = merging.everybody(customer)
    counts = _counts(plan, customer.merchant_id, whose, perks, joined_at=joined_at, at=at)
    return [_holding(plan, perk, counts.get(perk.id, 0), joined_at=joined_at, at=at) for perk in perks]


def _holding(plan: Plan, perk: Perk, used: int, *, joined_at: datetime, at: datetime) -> Holding:
    if perk.is_on_entry:
        return Holding(perk, used, None if perk.is_each_time else max(0, 1 - used), None)
    if perk.limit is None:
        return Holding(perk, used, None, None)
    period = tier_perks.period(perk.limit.per, at, zone=plan.zone, joined_at=joined_at)
    ends = period[1].astimezone(UTC) if period else None
    return Holding(perk, used, max(0, perk.limit.times - used), ends)


def _counts(
    plan: Plan,
    merchant_id: int,
    whose: Sequence[int],
    perks: Iterable[Perk],
    *,
    joined_at: datetime,
    at: datetime,
) -> dict[str, int]:
    """Return how often each perk was used in its present period, or given: a statement for each of the two."""
    wanted, on_entry = Q(), []
    for perk in perks:
        if perk.is_on_entry:
            on_entry.append(perk.id)
            continue
        own = Q(perk=perk.id)
        per = perk.limit.per if perk.limit else "lifetime"
        if period := tier_perks.period(per, at, zone=plan.zone, joined_at=joined_at):
            own &= Q(occurred_at__gte=period[0], occurred_at__lt=period[1])
        wanted |= own
    found: dict[str, int] = {}
    if wanted:
        uses = _open_uses(merchant_id, whose).filter(wanted)
        found |= dict(uses.values_list("perk").annotate(times=Count("pk")).order_by())
    if on_entry:
        given = PerkGrant.objects.filter(
            merchant=merchant_id, customer__in=whose, perk__in=on_entry, status__in=("given", "kept")
        )
        found |= dict(given.values_list("perk").annotate(times=Count("pk")).order_by())
    return found


def _open_uses(merchant_id: int, whose: Sequence[int]) -> "QuerySet[PerkUse]":
    return PerkUse.objects.filter(merchant=merchant_id, customer__in=whose, undoes=None, undone_by=None)


def uses(*, customer: Customer, limit: int) -> list[PerkUse]:
    """Return a customer's latest uses and their undoing, newest first."""
    rows = PerkUse.objects.filter(merchant=customer.merchant_id, customer__in=merging.everybody(customer))
    return list(rows.order_by("-occurred_at", "-pk")[:limit])


# --- using ----------------------------------------------------------------------------------------------


@db.command
def use(
    *,
    customer: Customer,
    perk: str,
    reference: str,
    at: datetime,
    by: str,
    source: str = "api",
    program_id: int | None = None,
) -> UseReceipt:
    """
    Use a benefit, once per reference; a repeat answers the first use, also after it was undone.

    :raises UnknownPerk: no level of the program has it
    :raises PerkNotAvailable: the customer's level does not, or it is given by itself
    :raises PerkLimitReached: it was used as often as it may be in this period
    :raises CustomerBlocked: the shop blocked the customer
    :raises ReferenceReused: the reference belongs to another use
    """
    work, person = _open(customer, source=source, at=at, by=by, program_id=program_id)
    if (first := _first(work, reference)) is not None:
        return _repeat(work, person, first, perk)
    purchases.admit(person)
    found = _own(work, person, perk)
    now = _now(work, person, customer, found)
    if now.left == 0:
        raise PerkLimitReached(_why(work, now))
    row = PerkUse.objects.create(
        merchant=work.merchant,
        customer_id=person.customer_id,
        membership_id=person.membership_id,
        perk=found.id,
        name=found.name,
        tier=found.tier,
        source=source,
        reference=reference,
        by=by,
        occurred_at=at,
    )
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=source,
            kind=KIND,
            reference=reference,
            target_id=row.pk,
            at=at,
        )
    )
    _note(work, "perk.used", row)
    desk.write(work)
    left = None if now.left is None else now.left - 1
    return UseReceipt("created", row, replace(now, used=now.used + 1, left=left), False)


@db.command
def undo(*, use: PerkUse, at: datetime, by: str) -> UseReceipt:
    """Undo a use, so that it counts for nothing. Repeating changes nothing."""
    program_id = use.membership.program_id
    work, person = _open(use.customer, source=use.source, at=at, by=by, program_id=program_id)
    is_new = not PerkUse.objects.filter(merchant=work.merchant, undoes=use).exists()
    if is_new:
        PerkUse.objects.create(
            merchant=work.merchant,
            customer_id=use.customer_id,
            membership_id=use.membership_id,
            perk=use.perk,
            name=use.name,
            tier=use.tier,
            undoes=use,
            source=use.source,
            reference=use.reference,
            by=by,
            occurred_at=at,
        )
        _note(work, "perk.rolled_back", use)
    holding = _still(work, person, use)
    desk.write(work)
    return UseReceipt("created" if is_new else "replayed", use, holding, True)


def find_use(*, customer: Customer, perk: str, reference: str, source: str = "api") -> PerkUse:
    """
    Return the use that this reference was said for.

    :raises NotFound: the customer never used this perk under it
    """
    rows = PerkUse.objects.filter(
        merchant=customer.merchant_id, source=source, reference=reference, undoes=None, perk=perk
    )
    found = rows.filter(customer__in=merging.everybody(customer)).select_related("membership").first()
    if found is None:
        raise NotFound(
            "This perk was not used under this reference.",
            faults=[Fault("/reference", "not_found", "is no use of this perk")],
        )
    found.customer = customer
    return found


def _open(
    customer: Customer, *, source: str, at: datetime, by: str, program_id: int | None
) -> tuple[Desk, Person]:
    """Lock the customer's account, first, and return the desk with who it is by now."""
    work = Desk(merchant=customer.merchant, source=source, at=at, by=by, program_id=program_id)
    person = lookup.people(merchant=work.merchant, plan=work.plan, asked=[(customer.pk, None)], at=at)[0]
    assert person is not None
    desk.gather(work, looks=[(person, at)])
    return work, person


def _first(work: Desk, reference: str) -> PerkUse | None:
    said = Reference.objects.filter(
        merchant_id=work.merchant.pk, source=work.source, kind=KIND, reference=reference
    )
    return PerkUse.objects.filter(merchant=work.merchant, pk__in=said.values("target_id")).first()


def _repeat(work: Desk, person: Person, first: PerkUse, perk: str) -> UseReceipt:
    is_same = merging.is_now(merchant_id=work.merchant.pk, earlier=first.customer_id, now=person.customer_id)
    differ = [name for name, same in (("customer", is_same), ("perk", first.perk == perk)) if not same]
    if differ:
        raise ReferenceReused(first.reference, of="another use", differ=differ)
    holding = _still(work, person, first)
    desk.write(work)
    is_undone = PerkUse.objects.filter(merchant=work.merchant, undoes=first).exists()
    return UseReceipt("replayed", first, holding, is_undone)


def _own(work: Desk, person: Person, perk: str) -> Perk:
    tier = work.standings[person.membership_id].tier
    found = next((one for one in tier_perks.held(work.plan.tiers, tier) if one.id == perk), None)
    if found is None:
        if tier_perks.find(work.plan.tiers, perk) is None:
            raise UnknownPerk("There is no such perk.")
        raise PerkNotAvailable(f"This perk is not one of {tier or 'this customer'}'s.")
    if found.is_on_entry:
        raise PerkNotAvailable(f"{found.name} is given by itself on reaching {found.tier}.")
    return found


def _now(work: Desk, person: Person, customer: Customer, perk: Perk) -> Holding:
    owner = Customer(pk=person.customer_id, merchant=customer.merchant)
    counts = _counts(
        work.plan,
        work.merchant.pk,
        merging.everybody(owner),
        [perk],
        joined_at=person.joined_at,
        at=work.at,
    )
    return _holding(work.plan, perk, counts.get(perk.id, 0), joined_at=person.joined_at, at=work.at)


def _still(work: Desk, person: Person, use: PerkUse) -> Holding | None:
    """Return the perk of an earlier use as it is now; None where the customer has it no more."""
    try:
        return _now(work, person, Customer(merchant=work.merchant), _own(work, person, use.perk))
    except (UnknownPerk, PerkNotAvailable):
        return None


def _why(work: Desk, now: Holding) -> str:
    said = f"{now.perk.name} was used as often as it may be"
    if now.resets_at is None:
        return f"{said}."
    return f"{said}; there is more from {work.plan.local(now.resets_at):%Y-%m-%d} on."


def _note(work: Desk, kind: str, use: PerkUse) -> None:
    data = {
        "perk": use.perk,
        "name": use.name,
        "tier": use.tier,
        "use": public_ids.show(PerkUse.prefix, use.pk),
        "reference": use.reference,
    }
    work.note(kind, customer_id=use.customer_id, at=work.at, data=data)
