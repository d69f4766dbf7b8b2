"""What another system knew about customers who are here already: only gaps are filled, nothing is replaced."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from customers import consent
from customers import people as persons
from customers.identifiers import TYPES, Given, IdentifierTaken, normalize
from customers.models import Consent, Customer, Identifier
from customers.people import Newcomer
from lib import db, public_ids
from merchants.models import Merchant

Key = tuple[str, str, str]
FIELDS = ("name", "birthday", "language")


@db.inside_transaction
def complete_all(
    *, merchant: Merchant, people: Mapping[int, Newcomer], at: datetime
) -> dict[int, IdentifierTaken]:
    """
    Give customers (by id) the identifiers, name, birthday, language and consents they do not have yet.

    An identifier of somebody else's is not given: the answer says so for each customer whom it concerns, and
    nothing of theirs is changed. Repeating changes nothing. One statement per table.
    """
    if not people:
        return {}
    here = Customer.objects.select_for_update(of=("self",)).filter(merchant=merchant, pk__in=list(people))
    locked = {one.pk: one for one in here.order_by("pk")}
    wanted = {
        number: keys(person.identifiers, country=merchant.country)
        for number, person in people.items()
        if number in locked
    }
    refused = _anothers(merchant, wanted)
    going = [number for number in wanted if number not in refused]
    _fill(merchant, locked, {number: people[number] for number in going}, at=at)
    _identify(merchant, {number: wanted[number] for number in going}, at=at)
    _consent(merchant, {number: people[number] for number in going}, at=at)
    return refused


def keys(given: Sequence[Given], *, country: str) -> set[Key]:
    """Return identifiers as they are stored. :raises InvalidIdentifier: one of them is not one"""
    return {
        (one.type, one.source, normalize(type=one.type, value=one.value, country=country)) for one in given
    }


def _owners(merchant: Merchant, wanted: set[Key]) -> dict[Key, tuple[int, bool, int]]:
    rows = Identifier.objects.filter(
        merchant=merchant, value__in={value for _, _, value in wanted}, type__in=TYPES
    ).values_list("type", "source", "value", "customer_id", "verified_at", "pk")
    return {
        (type, source, value): (owner, verified_at is not None, number)
        for type, source, value, owner, verified_at, number in rows
    }


def _anothers(merchant: Merchant, wanted: Mapping[int, set[Key]]) -> dict[int, IdentifierTaken]:
    """Return who would get an identifier that is somebody else's for sure; an alias of theirs is nobody else."""
    owners = _owners(merchant, {key for each in wanted.values() for key in each})
    numbers = {owner for owner, _, _ in owners.values()}
    rows = Customer.objects.filter(merchant=merchant, pk__in=numbers).values_list("pk", "merged_into_id")
    target = {number: into or number for number, into in rows}
    return {
        number: persons.taken(key[0])
        for number, each in wanted.items()
        for key in sorted(each)
        if key in owners and owners[key][1] and target.get(owners[key][0]) != number
    }


def _fill(
    merchant: Merchant, locked: Mapping[int, Customer], news: Mapping[int, Newcomer], *, at: datetime
) -> None:
    rows = []
    for number, person in news.items():
        one = locked[number]
        persons.check(name=person.name, birthday=person.birthday, language=person.language)
        told = {name: getattr(one, name) or getattr(person, name).strip() for name in FIELDS}
        if any(told[name] != getattr(one, name) for name in FIELDS):
            has_news = told["birthday"] != one.birthday
            set_at = at if has_news else one.birthday_set_at
            rows.append({"id": number, "merchant_id": merchant.pk, **told, "birthday_set_at": set_at})
    db.update(Customer, rows, key=["id", "merchant_id"])


def _identify(merchant: Merchant, wanted: Mapping[int, set[Key]], *, at: datetime) -> None:
    """Write what nobody has. What somebody merely typed in gives way to what another system was sure of."""
    owners = _owners(merchant, {key for each in wanted.values() for key in each})
    typed = [row for _, is_sure, row in owners.values() if not is_sure]
    Identifier.objects.filter(merchant=merchant, pk__in=typed, verified_at=None).delete()
    missing = sorted(
        (key, number)
        for number, each in wanted.items()
        for key in each
        if key not in owners or not owners[key][1]
    )
    rows = [
        {
            "id": new,
            "merchant_id": merchant.pk,
            "customer_id": number,
            "type": type,
            "source": source,
            "value": value,
            "verified_at": at,
            "created_at": at,
        }
        for new, ((type, source, value), number) in zip(
            public_ids.new_many(len(missing)), missing, strict=True
        )
    ]
    db.insert(Identifier, rows)


def _consent(merchant: Merchant, news: Mapping[int, Newcomer], *, at: datetime) -> None:
    """Record answers to what the customer was never asked here: their own word here is newer than any file."""
    asked = set(
        Consent.objects.filter(
            merchant=merchant, customer_id__in=[number for number, one in news.items() if one.consents]
        ).values_list("customer_id", "channel", "purpose")
    )
    db.insert(
        Consent,
        [
            consent.row(choice, merchant_id=merchant.pk, customer_id=number, at=at)
            for number, person in news.items()
            for choice in person.consents
            if (number, choice.channel, choice.purpose) not in asked
        ],
    )
