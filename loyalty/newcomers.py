"""Who the people of another system's file are here: found by any of their identifiers, or enrolled."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from customers import consent, identifiers, profiles
from customers import people as persons
from customers.models import Customer
from customers.people import InvalidPerson, Newcomer
from customers.profiles import Key
from lib import db
from lib.errors import Conflict, DomainError
from loyalty import members
from merchants.models import Merchant


class TwoCustomers(Conflict):
    """The identifiers of one person are those of two customers here."""

    code = "two_customers"


@dataclass(frozen=True, slots=True)
class Found:
    customer_id: int
    is_new: bool


@dataclass(slots=True)
class _Target:
    """Somebody the file names, once or several times: `customer_id` is empty for who is not here yet."""

    customer_id: int | None
    person: Newcomer
    places: list[int]


@db.inside_transaction
def find_or_enroll(
    *, merchant: Merchant, people: Mapping[int, Newcomer], at: datetime, by: str
) -> dict[int, Found | DomainError]:
    """
    Find each person (by place) or enroll them without a welcome, and fill the gaps of who is here.

    The answer has the refusal of who cannot be: an identifier that is none, or two of them that are two
    customers'. Several places may be one person. One statement per table.

    :raises NoProgram: the merchant has no published program
    """
    answers: dict[int, Found | DomainError] = {}
    keys: dict[int, set[Key]] = {}
    for place, person in people.items():
        try:
            keys[place] = _checked(merchant, person)
        except DomainError as error:
            answers[place] = error
    targets = _targets(_owners(merchant, keys), keys, people, answers)
    strangers = [one for one in targets if one.customer_id is None]
    added = (
        members.enroll_step(
            merchant=merchant, people=[one.person for one in strangers], at=at, by=by, welcome=False
        )
        if strangers
        else []
    )
    here = {one.customer_id: one.person for one in targets if one.customer_id is not None}
    refused = profiles.complete_all(merchant=merchant, people=here, at=at)
    enrolled = dict(zip((id(one) for one in strangers), added, strict=True))
    for target in targets:
        answer: Found | DomainError
        if target.customer_id is None:
            new = enrolled[id(target)]
            answer = Found(new.pk, True) if isinstance(new, Customer) else new
        else:
            answer = refused.get(target.customer_id) or Found(target.customer_id, False)
        answers.update(dict.fromkeys(target.places, answer))
    return answers


def _checked(merchant: Merchant, person: Newcomer) -> set[Key]:
    if not person.identifiers:
        raise InvalidPerson(
            "Nobody could recognize this customer: fill in an e-mail, a phone, a card or an outside id."
        )
    persons.check(name=person.name, birthday=person.birthday, language=person.language)
    consent.check(person.consents)
    return profiles.keys(person.identifiers, country=merchant.country)


def _owners(merchant: Merchant, keys: Mapping[int, set[Key]]) -> dict[int, set[int]]:
    """Return whose the identifiers of each place are: those that are sure, an alias's as its target's."""
    wanted = [(place, *key) for place, each in keys.items() for key in sorted(each)]
    owners: dict[int, set[int]] = {}
    if wanted:
        found = identifiers.ask_who(merchant_id=merchant.pk, wanted=wanted, verified_only=True).rows
        for place, customer_id in found:
            owners.setdefault(place, set()).add(customer_id)
    return owners


def _targets(
    owners: Mapping[int, set[int]],
    keys: Mapping[int, set[Key]],
    people: Mapping[int, Newcomer],
    answers: dict[int, Found | DomainError],
) -> list[_Target]:
    """Put the places of one person together, in the order of the file."""
    targets: list[_Target] = []
    by_owner: dict[int, _Target] = {}
    by_key: dict[Key, _Target] = {}
    for place, each in keys.items():
        named = {id(by_key[key]): by_key[key] for key in each if key in by_key}
        for owner in owners.get(place, ()):
            known = by_owner.get(owner) or _Target(owner, replace(people[place], identifiers=()), [])
            named[id(known)] = known
        if len(named) > 1:
            answers[place] = _two(each)
            continue
        target = next(iter(named.values()), None) or _Target(None, replace(people[place], identifiers=()), [])
        if not target.places:
            targets.append(target)
            if target.customer_id is not None:
                by_owner[target.customer_id] = target
        target.places.append(place)
        target.person = _both(target.person, people[place])
        by_key.update(dict.fromkeys(each, target))
    return targets


def _two(keys: Iterable[Key]) -> TwoCustomers:
    types = ", ".join(sorted({type for type, _, _ in keys}))
    return TwoCustomers(
        f"These identifiers ({types}) are those of two customers. Merge the two, or correct the row."
    )


def _both(first: Newcomer, second: Newcomer) -> Newcomer:
    """Return what two rows say of one person; where both say something the first one counts."""
    joined: Sequence[datetime] = [when for when in (first.joined_at, second.joined_at) if when is not None]
    said = {(one.channel, one.purpose): one for one in (*second.consents, *first.consents)}
    return Newcomer(
        identifiers=tuple(dict.fromkeys((*first.identifiers, *second.identifiers))),
        name=first.name or second.name,
        birthday=first.birthday or second.birthday,
        language=first.language or second.language,
        consents=tuple(said.values()),
        joined_at=min(joined, default=None),
    )
