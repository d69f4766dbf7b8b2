"""Joining: a customer, the membership with its account, and the welcome, in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from customers import people as persons
from customers import referrals as claims
from customers.consent import Choice
from customers.identifiers import Given, IdentifierTaken
from customers.models import Customer, Touchpoint
from customers.people import Newcomer
from customers.referrals import Claim
from lib import db
from lib.errors import DomainError, NotFound
from loyalty import bonuses, lookup, matching, programs, referrals
from loyalty.lookup import Person
from loyalty.models import Membership, Program
from loyalty.plan import Plan
from merchants.models import Merchant, Store

__all__ = ["IdentifierTaken", "Newcomer", "enroll", "enroll_all", "membership"]


class NotAMember(NotFound):
    code = "not_a_member"


@db.command
def enroll(
    *,
    merchant: Merchant,
    identifiers: Sequence[Given],
    name: str = "",
    birthday: str = "",
    language: str = "",
    consents: Sequence[Choice] = (),
    at: datetime,
    by: str,
    store: Store | None = None,
    verified: bool = True,
    claim: Claim | None = None,
) -> Customer:
    """
    Make somebody a customer and a member of the merchant's program.

    Repeating is refused by the identifier: doors that may repeat send an Idempotency-Key.

    :param verified: the identifiers were given by a till or proved; one merely typed in matches nothing yet
    :param claim: who brought them; one that cannot be is refused, and then nobody is enrolled
    :raises NoSuchCode: the claim's code is nobody's
    :raises SelfReferral: the claim's code is the newcomer's own, under another contact or account
    :raises NoReferrals: the program does not pay for bringing friends
    :raises InvalidIdentifier: an identifier is not one
    :raises IdentifierTaken: another customer has one of them
    :raises InvalidPerson: no identifier, or a name, birthday or language that cannot be one
    :raises NoProgram: the merchant has no published program
    """
    person = Newcomer(
        identifiers=tuple(identifiers),
        name=name,
        birthday=birthday,
        language=language,
        consents=tuple(consents),
        store=store.code if store else "",
        claim=claim,
    )
    [result] = enroll_step(merchant=merchant, people=[person], at=at, by=by, verified=verified)
    if isinstance(result, DomainError):
        raise result
    return result


@db.command
def enroll_all(
    *,
    merchant: Merchant,
    people: Sequence[Newcomer],
    at: datetime,
    by: str,
    verified: bool = True,
    welcome: bool = True,
) -> list[Customer | DomainError]:
    """
    Enroll thousands with one statement per table; answer for each, in order, the customer or why not.

    Who has a taken identifier is answered with the refusal and spoils nothing: repeating is safe.
    :raises NoProgram: the merchant has no published program
    """
    return enroll_step(merchant=merchant, people=people, at=at, by=by, verified=verified, welcome=welcome)


@db.inside_transaction
def enroll_step(
    *,
    merchant: Merchant,
    people: Sequence[Newcomer],
    at: datetime,
    by: str,
    verified: bool = True,
    welcome: bool = True,
) -> list[Customer | DomainError]:
    """Do what `enroll_all` does, inside the caller's transaction."""
    plan = programs.current(merchant=merchant, at=at)
    refused = _refused(merchant, plan, people)
    able = [person for place, person in enumerate(people) if place not in refused]
    answers = iter(persons.add_all(merchant=merchant, people=able, at=at, by=by, verified=verified))
    results = [refused.get(place) or next(answers) for place in range(len(people))]
    added = [one for one in results if isinstance(one, Customer)]
    if not added:
        return results
    memberships = lookup.join(merchant_id=merchant.pk, plan=plan, customers=[one.pk for one in added], at=at)
    _backdate(plan, added, memberships, at=at)
    bonuses.welcome(
        merchant=merchant,
        people=[
            Person(one.pk, one.status, number, one.created_at)
            for one, number in zip(added, memberships, strict=True)
        ],
        at=at,
        gives=welcome,
    )
    _write_claims(merchant, people, results, at=at, by=by)
    matching.match_new(merchant=merchant, customers=[one.pk for one in added], at=at)
    return results


def _refused(merchant: Merchant, plan: Plan, people: Sequence[Newcomer]) -> dict[int, DomainError]:
    """Return whose claim cannot be, by place. Asked first: with a bad code nobody is enrolled."""
    told = {
        place: (person.claim, person.identifiers)
        for place, person in enumerate(people)
        if person.claim is not None and person.claim.code
    }
    if told and plan.referral is None:
        return {place: referrals.not_offered(claim.pointer) for place, (claim, _) in told.items()}
    return claims.refused(merchant=merchant, newcomers=told)


@db.inside_transaction
def _write_claims(
    merchant: Merchant,
    people: Sequence[Newcomer],
    results: Sequence[Customer | DomainError],
    *,
    at: datetime,
    by: str,
) -> None:
    told = {
        one.pk: person.claim
        for person, one in zip(people, results, strict=True)
        if person.claim is not None and isinstance(one, Customer)
    }
    coded = {number: claim for number, claim in told.items() if claim.code}
    if coded:
        owners = claims.referrers(merchant=merchant, claims=coded.values())
        claims.write(
            merchant=merchant,
            claims={number: (owners[claims.normal(claim.code)], claim) for number, claim in coded.items()},
            at=at,
            by=by,
            was_here=bonuses.were_here_before(merchant=merchant, customers=list(coded)),
        )
    for number, claim in told.items():
        claims.see(merchant=merchant, customer_id=number, digests=claim.digests, at=at)


def on_contacts(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """
    Hear that a contact was verified or a first purchase made: what waited for it is matched, the welcome given.
    """
    for merchant, told in bonuses.by_merchant(touchpoints).items():
        bought = {one.customer_id for one in told if one.kind == "customer.converted" and one.customer_id}
        plan, people = bonuses.people_of(merchant, told, at=at)
        if plan is not None:
            bonuses.welcome(merchant=merchant, people=list(people.values()), at=at, bought=bought)
            numbers = [one.customer_id for one in people.values()]
            matching.match_new(merchant=merchant, customers=numbers, at=at)


def _backdate(plan: Plan, added: Sequence[Customer], memberships: Sequence[int], *, at: datetime) -> None:
    has_tiers = plan.tiers.reached(0) is not None
    rows = [
        {"id": number, "joined_at": one.created_at} | ({"tier_since": one.created_at} if has_tiers else {})
        for one, number in zip(added, memberships, strict=True)
        if one.created_at != at
    ]
    db.update(Membership, rows, key=["id"])


def membership(*, customer: Customer, program: Program | Plan | None = None) -> Membership:
    """
    Return the customer's membership in a program, by default the merchant's only or first one.

    :raises NotAMember: the customer is not in it
    """
    query = Membership.objects.filter(merchant=customer.merchant_id, customer=customer)
    if program is None:
        query = query.filter(program__is_active=True).order_by("program_id")
    else:
        query = query.filter(program_id=program.program_id if isinstance(program, Plan) else program.pk)
    found = query.select_related("program").first()
    if found is None:
        raise NotAMember("The customer is not a member of this program.")
    return found
