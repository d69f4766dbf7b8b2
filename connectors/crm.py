"""
People as another system knows them: found by its own id, or by e-mail or phone, enrolled or brought up to date.

One path for one and for thousands. What is said carries the time at which the other system learned it, and the
later word stands, whoever said it: a field is overwritten only by something newer, a consent answered only by
a later answer. So a file may be old, come twice or in any order, and an unsubscribe stays one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.crm_answers import Answer, answer_all
from customers import consent, identifiers, journey, people, provenance
from customers.consent import Choice
from customers.identifiers import Given
from customers.models import Customer, Identifier
from lib import db, public_ids
from lib.errors import Conflict, DomainError, Fault, Malformed
from loyalty import members
from loyalty.members import Newcomer
from merchants.models import Merchant

AHEAD = timedelta(minutes=5)
OURS = ("email", "phone", "card")


class InvalidContact(Malformed):
    code = "invalid_contact"


class OtherExternalId(Conflict):
    """The e-mail or phone is of a customer whom the same system knows by another id."""

    code = "other_external_id"


@dataclass(frozen=True, slots=True)
class Contact:
    """
    One person as the other system tells it.

    `fields` are those of name, birthday (`MM-DD`) and language that it says; what it does not say stays.
    `changed_at` is when it learned them; None is now.
    """

    external_id: str
    identifiers: tuple[Given, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    consents: tuple[Answer, ...] = ()
    changed_at: datetime | None = None
    joined_at: datetime | None = None


@dataclass(slots=True)
class Upserted:
    """
    What became of one: created, changed, unchanged or rejected. `kept` names what a later word, another
    customer or a rule kept from being changed: `name`, `email`, `consent:email/marketing`.
    """

    status: str
    customer_id: int | None = None
    kept: list[str] = field(default_factory=list)
    error: DomainError | None = None


@db.command
def upsert_all(
    *,
    merchant: Merchant,
    source: str,
    contacts: Sequence[Contact],
    at: datetime,
    by: str,
    welcome: bool = True,
) -> list[Upserted]:
    """
    Enroll who is new and bring the others up to date; answer for each, in order. Repeating changes nothing.

    :raises NoProgram: somebody is new and the merchant has no published program
    """
    results = [_checked(merchant, source, one, at=at) for one in contacts]
    for places in _rounds(merchant, source, contacts, results):
        told = {place: contacts[place] for place in places}
        owners = _find(merchant, source, told, results)
        new = [place for place in told if place not in owners and not results[place].error]
        owners |= _enroll(merchant, source, told, new, results, at=at, by=by, welcome=welcome)
        _update(merchant, source, told, owners, set(new), results, at=at, by=by)
    return results


def _checked(merchant: Merchant, source: str, one: Contact, *, at: datetime) -> Upserted:
    try:
        for given in _given(source, one):
            identifiers.normalize(type=given.type, value=given.value, country=merchant.country)
        people.check(**one.fields)
        consent.check([Choice(a.channel, a.purpose, a.granted, source, a.wording) for a in one.consents])
        for moment in (one.changed_at, one.joined_at, *(answer.at for answer in one.consents)):
            if moment is not None and moment > at + AHEAD:
                raise InvalidContact(
                    "A time lies in the future.",
                    faults=[Fault("/changed_at", "out_of_range", "is later than now")],
                )
    except DomainError as refusal:
        return Upserted("rejected", error=refusal)
    return Upserted("unchanged")


def _given(source: str, one: Contact) -> tuple[Given, ...]:
    return (Given("external_id", one.external_id, source), *one.identifiers)


def _rounds(
    merchant: Merchant, source: str, contacts: Sequence[Contact], results: Sequence[Upserted]
) -> list[list[int]]:
    """Return the good ones' places in rounds, so that nobody is meant twice in one: the later finds the first."""
    rounds: list[list[int]] = []
    last: dict[tuple[str, str], int] = {}
    for place, one in enumerate(contacts):
        if results[place].error:
            continue
        keys = [
            (given.type, identifiers.normalize(type=given.type, value=given.value, country=merchant.country))
            for given in _given(source, one)
        ]
        number = max((last.get(key, -1) for key in keys), default=-1) + 1
        last |= dict.fromkeys(keys, number)
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(place)
    return rounds


def _find(
    merchant: Merchant, source: str, told: Mapping[int, Contact], results: Sequence[Upserted]
) -> dict[int, int]:
    """Return who is here already by place: by the system's id, else by a verified e-mail, phone or card."""
    places = list(told)
    known = identifiers.resolve(
        merchant=merchant, given=[Given("external_id", told[place].external_id, source) for place in places]
    )
    found = {place: owner for place, owner in zip(places, known, strict=True) if owner is not None}
    others = [(place, given) for place in places if place not in found for given in told[place].identifiers]
    alike = identifiers.resolve(merchant=merchant, given=[given for _, given in others], verified_only=True)
    adopted: dict[int, int] = {}
    for (place, _), owner in zip(others, alike, strict=True):
        if owner is not None:
            adopted.setdefault(place, owner)
    taken = set(
        Identifier.objects.filter(
            merchant=merchant, customer__in=adopted.values(), type="external_id", source=source
        ).values_list("customer_id", flat=True)
        if adopted
        else ()
    )
    for place, owner in adopted.items():
        if owner in taken:
            detail = f"a customer whom {source} knows by another id has this e-mail, phone or card"
            fault = Fault("/external_id", OtherExternalId.code, detail)
            results[place].status = "rejected"
            results[place].error = OtherExternalId(f"{detail[0].upper()}{detail[1:]}.", faults=[fault])
        else:
            found[place] = owner
    return found


def _enroll(
    merchant: Merchant,
    source: str,
    told: Mapping[int, Contact],
    new: Sequence[int],
    results: Sequence[Upserted],
    *,
    at: datetime,
    by: str,
    welcome: bool,
) -> dict[int, int]:
    if not new:
        return {}
    newcomers = [
        Newcomer(
            identifiers=_given(source, told[place]),
            name=told[place].fields.get("name", ""),
            birthday=told[place].fields.get("birthday", ""),
            language=told[place].fields.get("language", ""),
            joined_at=told[place].joined_at,
        )
        for place in new
    ]
    added = members.enroll_step(merchant=merchant, people=newcomers, at=at, by=by, welcome=welcome)
    found = {}
    for place, one in zip(new, added, strict=True):
        if isinstance(one, Customer):
            results[place].status, found[place] = "created", one.pk
        else:
            results[place].status, results[place].error = "rejected", one
    return found


def _update(
    merchant: Merchant,
    source: str,
    told: Mapping[int, Contact],
    owners: Mapping[int, int],
    new: set[int],
    results: Sequence[Upserted],
    *,
    at: datetime,
    by: str,
) -> None:
    locked = {
        one.pk: one
        for one in Customer.objects.select_for_update(of=("self",))
        .filter(merchant=merchant, pk__in=set(owners.values()))
        .order_by("pk")
    }
    rows: list[Customer] = []
    notes: list[journey.Row] = []
    for place, owner in owners.items():
        results[place].customer_id = owner
        said_at = told[place].changed_at or at
        fields = {name: value.strip() for name, value in told[place].fields.items()}
        if place in new:
            provenance.write(locked[owner], fields, at=said_at, by=source)
            rows.append(locked[owner])
            continue
        changed = _fields(locked[owner], fields, results[place], said_at=said_at, at=at, by=source)
        if changed:
            rows.append(locked[owner])
            data = {"fields": sorted(changed), "by": source}
            notes.append(_note(locked[owner], "customer.changed", data, at=at))
    db.update(
        Customer,
        [
            {name: getattr(one, name) for name in ("id", *provenance.FIELDS, "birthday_set_at", "written")}
            for one in rows
        ],
        key=["id"],
    )
    existing = {place: locked[owner] for place, owner in owners.items() if place not in new}
    notes += _identify(merchant, source, told, existing, results, at=at, by=source)
    notes += answer_all(
        merchant,
        source,
        [
            (results[place], owner, told[place].consents, told[place].changed_at)
            for place, owner in owners.items()
        ],
        at=at,
    )
    journey.note_all(notes)


def _fields(
    customer: Customer,
    fields: Mapping[str, str],
    result: Upserted,
    *,
    said_at: datetime,
    at: datetime,
    by: str,
) -> dict[str, str]:
    changed = provenance.newer(customer, fields, at=said_at)
    set_at = customer.birthday_set_at
    if changed.get("birthday") and set_at is not None and at < set_at + people.BIRTHDAY_LOCK:
        del changed["birthday"]  # it gives points: once a year
    result.kept += [
        name for name, value in fields.items() if name not in changed and value != getattr(customer, name)
    ]
    if changed.get("birthday"):
        customer.birthday_set_at = at
    if changed:
        provenance.write(customer, changed, at=said_at, by=by)
        result.status = "changed"
    return changed


def _identify(
    merchant: Merchant,
    source: str,
    told: Mapping[int, Contact],
    existing: Mapping[int, Customer],
    results: Sequence[Upserted],
    *,
    at: datetime,
    by: str,
) -> list[journey.Row]:
    """Add the identifiers that nobody has; what another customer has stays theirs, and is named as kept."""
    wanted = [
        (
            place,
            one.type,
            one.source,
            identifiers.normalize(type=one.type, value=one.value, country=merchant.country),
        )
        for place in existing
        for one in _given(source, told[place])
    ]
    if not wanted:
        return []
    numbered = [(number, *who[1:]) for number, who in enumerate(wanted)]
    owners = dict(identifiers.ask_who(merchant_id=merchant.pk, wanted=numbered).rows)
    rows: list[journey.Row] = []
    notes: list[journey.Row] = []
    for number, (place, type, system, value) in enumerate(wanted):
        customer = existing[place]
        if owners.get(number) == customer.pk:
            continue
        if number in owners:
            results[place].kept.append(type)
            continue
        rows.append(
            {
                "id": public_ids.new(),
                "merchant_id": merchant.pk,
                "customer_id": customer.pk,
                "type": type,
                "source": system,
                "value": value,
                "verified_at": at,
                "created_at": at,
            }
        )
        results[place].status = "changed"
        notes.append(_note(customer, "identifier.verified", {"type": type, "by": by}, at=at))
    db.insert(Identifier, rows, on_conflict="(merchant_id, type, source, value) DO NOTHING")
    ids = [row["id"] for row in rows]
    # The race: another door gave the same identifier between our look and our write.
    if ids and Identifier.objects.filter(pk__in=ids).count() != len(ids):
        raise db.Again
    return notes


def _note(customer: Customer, kind: str, data: dict[str, Any], *, at: datetime) -> journey.Row:
    return journey.row(
        merchant_id=customer.merchant_id, customer_id=customer.pk, kind=kind, at=at, now=at, data=data
    )
