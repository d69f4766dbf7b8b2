"""
People who share points: a pool that its members move points into and redeem from.

Nobody is in a household without their own yes: given at the till to staff, or in the portal by accepting.
Points are moved by `transfers` and spent by `rewards.redemptions`; this module says who belongs to whom.
A customer who was merged keeps their place: the target stands in it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from customers import holders, journey
from customers.models import Customer
from lib import db
from lib.errors import Conflict, Fault, NotFound, ReferenceReused, Refused
from loyalty import balances, ledger, lookup, programs
from loyalty.models import Household, HouseholdMember, Membership, Program
from merchants.models import Merchant

__all__ = ["Pool", "accept", "create", "invite", "leave", "of", "place_in", "read"]

MOST_MEMBERS = 10
Agreed = HouseholdMember.Agreed


class NotOffered(Refused):
    """The program has no households."""

    code = "households_not_allowed"


class InAnother(Conflict):
    """A customer shares points with one household only."""

    code = "in_another_household"


class HouseholdFull(Refused):
    code = "household_full"


class PoolNotEmpty(Refused):
    """Whoever leaves last would leave points that nobody could spend."""

    code = "household_not_empty"


class NotAMember(Refused):
    """The customer is not in this household."""

    code = "not_a_household_member"


@dataclass(frozen=True, slots=True)
class Pool:
    """A household as it stands: status created, replayed, changed or read; its members, and what the pool has."""

    status: str
    household: Household
    members: list[HouseholdMember]
    points: int


@db.command
def create(*, customer: Customer, name: str, reference: str, at: datetime, by: str, agreed: str) -> Pool:
    """
    Open a household with its first member, once per reference.

    :raises NotOffered: the program's file does not say `transfers: {household: true}`
    :raises InAnother: the customer shares points already
    :raises ReferenceReused: the reference opened another household
    """
    merchant = customer.merchant
    if (first := Household.objects.filter(merchant=merchant, reference=reference).first()) is not None:
        opened_by = first.members.order_by("pk").values_list("customer_id", flat=True).first()
        said = {"customer": (customer.pk, opened_by), "name": (name, first.name)}
        if differ := [field for field, (new, old) in said.items() if new != old]:
            raise ReferenceReused(reference, of="another household", differ=differ)
        return read(household=first, at=at, status="replayed")
    plan = programs.current(merchant=merchant)
    if not is_offered(program_id=plan.program_id):
        raise NotOffered("This program has no households. Its file can: transfers: {household: true}.")
    holder = holders.open_one(merchant=merchant, at=at)
    lookup.join(merchant_id=merchant.pk, plan=plan, customers=[holder.pk], at=at)
    made = Household.objects.create(
        merchant=merchant,
        program_id=plan.program_id,
        holder=holder,
        name=name,
        reference=reference,
        created_at=at,
        by=by,
    )
    _enter(made, customer, at=at, by=by, agreed=agreed)
    return read(household=made, at=at, status="created")


@db.command
def invite(*, household: Household, customer: Customer, at: datetime, by: str) -> Pool:
    """
    Ask a customer to share points: they are in it once they `accept`. Asking again changes nothing.

    :raises HouseholdFull: it has as many as it may have, those asked included
    """
    made = _lock(household)
    if _places(made, customer).exists():
        return read(household=made, at=at, status="replayed")
    _insist_on_room(made)
    HouseholdMember.objects.create(
        merchant_id=made.merchant_id, household=made, customer=customer, asked_at=at, by=by
    )
    _note(customer, made, "household.invited", at)
    return read(household=made, at=at, status="changed")


@db.command
def accept(*, household: Household, customer: Customer, at: datetime, by: str, agreed: str) -> Pool:
    """
    Be in a household from now on: who was asked says yes, or staff enter who stands before them. Repeating
    changes nothing.

    :raises InAnother: the customer shares points with others
    :raises HouseholdFull: it has as many as it may have
    :raises NotAMember: in the portal: nobody asked
    """
    made = _lock(household)
    place = _places(made, customer).first()
    if place is not None and place.joined_at is not None:
        return read(household=made, at=at, status="replayed")
    if place is None:
        if agreed == Agreed.PORTAL:
            raise NotAMember("Nobody asked you to share points with this household.")
        _insist_on_room(made)
    _enter(made, customer, at=at, by=by, agreed=agreed, place=place)
    return read(household=made, at=at, status="changed")


@db.command
def leave(*, household: Household, customer: Customer, at: datetime, by: str) -> Pool:
    """
    Leave a household, or say no to its question. The pool keeps its points. Repeating changes nothing.

    :raises PoolNotEmpty: the last member must take the points out first
    """
    made = _lock(household)
    place = _places(made, customer).first()
    if place is None:
        return read(household=made, at=at, status="replayed")
    now = read(household=made, at=at)
    others = [one for one in now.members if one.joined_at and one.pk != place.pk]
    if place.joined_at and not others and now.points:
        raise PoolNotEmpty(f"The pool has {now.points} points: take them out before the last member leaves.")
    place.left_at = at
    place.save(update_fields=["left_at"])
    _note(customer, made, "household.left" if place.joined_at else "household.declined", at, by=by)
    return read(household=made, at=at, status="changed")


def read(*, household: Household, at: datetime, status: str = "read") -> Pool:
    """Return a household with who is in it or asked, and what the pool can spend at `at`."""
    rows = household.members.filter(left_at=None).select_related("customer__merged_into").order_by("pk")
    said = balances.balance(
        merchant=household.merchant, customer_id=household.holder_id, at=at, program_id=household.program_id
    )
    return Pool(status, household, list(rows), said["available"])


def of(*, customer: Customer) -> HouseholdMember | None:
    """Return a customer's place in a household, also one they were only asked to take."""
    rows = _of(HouseholdMember.objects.filter(merchant=customer.merchant_id, left_at=None), customer.pk)
    return rows.select_related("household__merchant", "household__holder").order_by("joined_at", "pk").first()


@db.inside_transaction
def place_in(*, holder_id: int, customer_id: int) -> HouseholdMember:
    """
    Return a customer's place in the household of a pool, locked: who leaves waits. Behind the accounts' locks.

    :raises NotAMember: the customer is not in it
    """
    rows = HouseholdMember.objects.filter(household__holder=holder_id, left_at=None, joined_at__isnull=False)
    found = _of(rows, customer_id).select_related("household").select_for_update(of=("self",)).first()
    if found is None:
        raise NotAMember(
            "This customer is not in the household.",
            faults=[Fault("/customer", "not_a_household_member", "is not in it")],
        )
    return found


def may_take_out(place: HouseholdMember) -> bool:
    """Tell whether a member may take points out: where the program allows it, or nobody else is in it."""
    extras = Program.objects.values_list("extras", flat=True).get(pk=place.household.program_id)
    return bool((extras.get("transfers") or {}).get("take_out")) or not has_others(place)


def has_others(place: HouseholdMember) -> bool:
    """Tell whether somebody else is in this household too."""
    others = HouseholdMember.objects.filter(
        household=place.household_id, left_at=None, joined_at__isnull=False
    )
    return others.exclude(pk=place.pk).exists()


def is_offered(*, program_id: int) -> bool:
    """Tell whether a program has households."""
    said = Program.objects.values_list("extras", flat=True).get(pk=program_id).get("transfers")
    return bool(said and said.get("household"))


def holder_of(*, merchant: Merchant, household_id: int) -> Household:
    """:raises NotFound: there is no such household here"""
    rows = Household.objects.select_related("holder").filter(merchant=merchant, pk=household_id)
    found = rows.first()
    if found is None:
        raise NotFound("There is no such household.")
    found.merchant = found.holder.merchant = merchant
    return found


def _of(rows: "QuerySet[HouseholdMember]", customer_id: int) -> "QuerySet[HouseholdMember]":
    return rows.filter(Q(customer=customer_id) | Q(customer__merged_into=customer_id))


def _places(household: Household, customer: Customer) -> "QuerySet[HouseholdMember]":
    return _of(household.members.filter(left_at=None), customer.pk)


def _lock(household: Household) -> Household:
    """Lock the pool's account, as everybody who moves its points does, then the household."""
    numbers = Membership.objects.filter(customer=household.holder_id).values_list("pk", flat=True)
    ledger.ask_lock(merchant_id=household.merchant_id, memberships=list(numbers))
    made = Household.objects.select_for_update().get(pk=household.pk)
    made.merchant = household.merchant
    return made


def _insist_on_room(household: Household) -> None:
    if household.members.filter(left_at=None).count() >= MOST_MEMBERS:
        raise HouseholdFull(f"A household has at most {MOST_MEMBERS} members.")


def _enter(
    household: Household,
    customer: Customer,
    *,
    at: datetime,
    by: str,
    agreed: str,
    place: HouseholdMember | None = None,
) -> None:
    # Of one customer in two households at once the customer's own row is the lock.
    Customer.objects.select_for_update().get(pk=customer.pk)
    others = HouseholdMember.objects.filter(
        merchant=household.merchant_id, left_at=None, joined_at__isnull=False
    )
    if _of(others, customer.pk).exists():
        raise InAnother("This customer shares points with another household.")
    place = place or HouseholdMember(
        merchant_id=household.merchant_id, household=household, customer=customer, asked_at=at
    )
    place.joined_at, place.agreed, place.by = at, agreed, by
    place.save()
    _note(customer, household, "household.joined", at, agreed=agreed, by=by)


def _note(customer: Customer, household: Household, kind: str, at: datetime, **more: str) -> None:
    journey.note(customer=customer, kind=kind, at=at, data={"household": household.public_id, **more})
