"""
The people: joining, changing, blocking. Leaving for good is `customers.erasure`.

One code path for one and for many: `add` is `add_all` with one person, so a till and an import agree.
"""

import re
import secrets
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError

from customers import consent, identifiers, journey, merging
from customers.consent import Choice
from customers.identifiers import Given, IdentifierTaken
from customers.models import Consent, Customer, Identifier
from customers.referrals import Claim
from lib import db, public_ids
from lib.errors import DomainError, Fault, Gone, Malformed, NotFound, Refused
from merchants.models import Merchant

# No 0/O and 1/I, which look alike, and no vowels, so that no code spells a word.
CODE_LETTERS = "23456789BCDFGHJKLMNPQRSTVWXYZ"
TOGETHER = 50  # more rows than this travel faster by COPY, which has no place in a shared round trip
BIRTHDAY_LOCK = timedelta(days=365)
_BIRTHDAY = re.compile(r"(\d\d)-(\d\d)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

Who = tuple[int, str, str, str]


class InvalidPerson(Malformed):
    code = "invalid_request"


class BirthdayChanged(Refused):
    """The birthday was changed less than a year ago."""

    code = "birthday_changed"


class LastIdentifier(Refused):
    """Without it nobody could recognize the customer."""

    code = "last_identifier"


class CustomerErased(Gone):
    code = "erased"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """
    Somebody who joins.

    `birthday` is `MM-DD`, `store` the code of the shop; `joined_at` is for who joined earlier, elsewhere;
    `claim` names who brought them, for `loyalty.members`.
    """

    identifiers: tuple[Given, ...]
    name: str = ""
    birthday: str = ""
    language: str = ""
    consents: tuple[Choice, ...] = ()
    joined_at: datetime | None = None
    store: str = ""
    claim: Claim | None = None


@db.inside_transaction
def add(*, merchant: Merchant, person: Newcomer, at: datetime, by: str, verified: bool = True) -> Customer:
    """
    Add one customer.

    :raises InvalidIdentifier: an identifier is not one
    :raises IdentifierTaken: another customer has one of them
    :raises InvalidPerson: no identifier, or a name, birthday or language that cannot be one
    """
    [added] = add_all(merchant=merchant, people=[person], at=at, by=by, verified=verified)
    if isinstance(added, DomainError):
        raise added
    return added


@db.inside_transaction
def add_all(
    *, merchant: Merchant, people: Sequence[Newcomer], at: datetime, by: str, verified: bool = True
) -> list[Customer | DomainError]:
    """
    Add customers with one statement per table; answer for each, in order, the customer or why not.

    One refused person never spoils the rest. An identifier that is not verified gives way to a verified one.
    """
    results: list[Customer | DomainError] = []
    wanted: list[Who] = []
    for place, person in enumerate(people):
        try:
            wanted += _checked(person, place=place, country=merchant.country)
            results.append(_customer(merchant, person, at))
        except DomainError as error:
            results.append(error)
    for place, refusal in _taken(merchant, wanted, verified=verified).items():
        results[place] = refusal
    added = {place: one for place, one in enumerate(results) if isinstance(one, Customer)}
    rows = [
        _identifier(who, customer=added[who[0]], at=at, verified=verified)
        for who in sorted(wanted, key=lambda who: who[1:])  # one order for all, so that no two deadlock
        if who[0] in added
    ]
    _write(added, people, rows, at=at, by=by)
    if rows:
        _insist(merchant, rows)
    return results


def _checked(person: Newcomer, *, place: int, country: str) -> list[Who]:
    check(name=person.name, birthday=person.birthday, language=person.language)
    consent.check(person.consents)
    if not person.identifiers:
        detail = "at least one of email, phone, card and external_id is needed"
        raise InvalidPerson(
            f"Nobody could recognize this customer: {detail}.", faults=[Fault("", "required", detail)]
        )
    found = {
        (one.type, one.source, identifiers.normalize(type=one.type, value=one.value, country=country))
        for one in person.identifiers
    }
    return [(place, *key) for key in found]


def check(*, name: str = "", birthday: str = "", language: str = "") -> None:
    """
    Refuse what cannot be a person's name, birthday (`MM-DD`, 02-29 too) or language (`pt`, `de-AT`).

    :raises InvalidPerson: with a fault for each
    """
    faults = []
    if len(name) > 120 or _CONTROL.search(name):
        faults.append(
            Fault("/name", "invalid", "the name is longer than 120 letters or holds control characters")
        )
    if birthday:
        found = _BIRTHDAY.fullmatch(birthday)
        month, day = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1 <= month <= 12 and 1 <= day <= monthrange(2024, month)[1]):
            faults.append(Fault("/birthday", "invalid", "the birthday must be month and day, like 05-31"))
    if language and (len(language) > 10 or not _LANGUAGE.fullmatch(language)):
        faults.append(Fault("/language", "invalid", "the language must be a tag like en or pt-BR"))
    if faults:
        raise InvalidPerson(f"{faults[0].detail[0].upper()}{faults[0].detail[1:]}.", faults=faults)


def _customer(merchant: Merchant, person: Newcomer, at: datetime) -> Customer:
    return Customer(
        merchant=merchant,
        name=person.name.strip(),
        birthday=person.birthday,
        birthday_set_at=at if person.birthday else None,
        language=person.language,
        referral_code="".join(secrets.choice(CODE_LETTERS) for _ in range(8)),
        created_at=person.joined_at or at,
    )


def _identifier(who: Who, *, customer: Customer, at: datetime, verified: bool) -> journey.Row:
    _, type, source, value = who
    return {
        "id": public_ids.new(),
        "merchant_id": customer.merchant_id,
        "customer_id": customer.pk,
        "type": type,
        "source": source,
        "value": value,
        "verified_at": at if verified else None,
        "created_at": at,
    }


def _taken(merchant: Merchant, wanted: Sequence[Who], *, verified: bool) -> dict[int, IdentifierTaken]:
    """Return who cannot join, because somebody has an identifier of theirs; free what was only typed in."""
    refused: dict[int, IdentifierTaken] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for place, *key in wanted:
        if seen.setdefault((key[0], key[1], key[2]), place) != place:
            refused[place] = taken(key[0])
    claims = []
    for place, type, identifier_id, is_verified in _owners(merchant, wanted):
        if verified and not is_verified:
            claims.append(identifier_id)
        else:
            refused[place] = taken(type)
    if claims:
        Identifier.objects.filter(merchant=merchant, pk__in=claims, verified_at=None).delete()
    return refused


def _owners(merchant: Merchant, wanted: Sequence[Who]) -> Iterable[tuple[int, str, int, bool]]:
    if not wanted:
        return []
    source, params = db.given(
        {"place": "integer", "type": "varchar", "source": "varchar", "value": "varchar"}, wanted
    )
    rows = db.ask(
        f"""
        SELECT given.place, given.type, i.id, i.verified_at
        FROM {source}
        JOIN customers_identifier i ON i.merchant_id = %s AND i.type = given.type
             AND i.source = given.source AND i.value = given.value
        """,
        [*params, merchant.pk],
    ).rows
    return [(place, type, number, verified_at is not None) for place, type, number, verified_at in rows]


def taken(type: str) -> IdentifierTaken:
    """Return the refusal of an identifier that somebody else has."""
    return IdentifierTaken(
        f"Another customer already has this {type}.",
        faults=[Fault(f"/{type}", "identifier_taken", "belongs to another customer")],
    )


def _write(
    added: dict[int, Customer],
    people: Sequence[Newcomer],
    rows: Sequence[journey.Row],
    *,
    at: datetime,
    by: str,
) -> None:
    consents = [
        consent.row(choice, merchant_id=one.merchant_id, customer_id=one.pk, at=one.created_at)
        for place, one in added.items()
        for choice in people[place].consents
    ]
    notes = [
        journey.row(
            merchant_id=one.merchant_id,
            customer_id=one.pk,
            kind="customer.enrolled",
            at=one.created_at,
            now=at,
            data={"by": by, "store": people[place].store},
        )
        for place, one in added.items()
    ]
    try:
        with db.together(len(added) < TOGETHER):
            db.insert(Customer, [_columns(one) for one in added.values()])
            # The race: two doors give the same e-mail at once. The second waits here for the first, writes
            # nothing, sees it in `_insist`, and runs again from the start, to be refused with a name.
            db.insert(Identifier, rows, on_conflict="(merchant_id, type, source, value) DO NOTHING")
            db.insert(Consent, consents)
            journey.note_all(notes)
    except IntegrityError as error:
        if "referral_code" in str(error):
            raise db.Again from error
        raise
    for one in added.values():
        one._state.adding = False


def _columns(customer: Customer) -> journey.Row:
    return {field.attname: getattr(customer, field.attname) for field in Customer._meta.concrete_fields}


def _insist(merchant: Merchant, rows: Sequence[journey.Row]) -> None:
    source, params = db.given({"id": "bigint"}, [(row["id"],) for row in rows])
    [written] = db.ask(
        f"SELECT COUNT(*) FROM {source} JOIN customers_identifier i ON i.id = given.id", params
    ).rows
    if written[0] != len(rows):
        raise db.Again


@db.command
def change(
    *,
    customer: Customer,
    at: datetime,
    by: str,
    given: Sequence[Given] = (),
    choices: Sequence[Choice] = (),
    **fields: str,
) -> Customer:
    """
    Change `name`, `birthday` (`MM-DD` or empty) or `language`; add the identifiers `given`; record `choices`.

    All or nothing. What is already so changes nothing. A birthday is changed at most once a year: it gives
    points.

    :raises InvalidPerson: a value cannot be one
    :raises BirthdayChanged: it was changed less than a year ago
    :raises IdentifierTaken: another customer has one of the identifiers
    :raises CustomerErased: there is nobody to change
    """
    if unknown := fields.keys() - {"name", "birthday", "language", "timezone"}:
        raise TypeError(f"a customer's {sorted(unknown)} is not changed here")
    check(**{name: value for name, value in fields.items() if name != "timezone"})
    locked = _lock(customer)
    if given:
        _add_identifiers(locked, given, at=at, by=by, verified=True)
    for one in choices:
        consent.record(
            customer=locked,
            channel=one.channel,
            purpose=one.purpose,
            granted=one.granted,
            at=at,
            source=one.source,
            wording=one.wording,
        )
    _change(locked, fields, at=at, by=by)
    return locked


def _change(locked: Customer, fields: dict[str, str], *, at: datetime, by: str) -> None:
    new = {name: value.strip() for name, value in fields.items() if value.strip() != getattr(locked, name)}
    if not new:
        return
    if new.get("birthday"):
        changed_at = locked.birthday_set_at
        if changed_at is not None and at < changed_at + BIRTHDAY_LOCK:
            raise BirthdayChanged(
                "The birthday was set less than a year ago. Staff can explain when it can be changed.",
                faults=[Fault("/birthday", "birthday_changed", "it can be changed once a year")],
            )
        locked.birthday_set_at = at
    for name, value in new.items():
        setattr(locked, name, value)
    locked.save(update_fields=[*new, "birthday_set_at"])
    journey.note(customer=locked, kind="customer.changed", at=at, data={"fields": sorted(new), "by": by})


def _lock(customer: Customer) -> Customer:
    locked = (
        Customer.objects.select_for_update(of=("self",))
        .select_related("merchant")
        .get(pk=customer.pk, merchant=customer.merchant_id)
    )
    if locked.status == Customer.Status.ERASED:
        raise CustomerErased("This customer was erased.")
    return locked


@db.command
def add_identifiers(
    *, customer: Customer, given: Sequence[Given], at: datetime, by: str, verified: bool = True
) -> None:
    """
    Give the customer more ways to be recognized. What is already theirs stays, or becomes verified.

    :raises IdentifierTaken: another customer has one of them
    :raises InvalidIdentifier: one of them is not an identifier
    :raises CustomerErased: there is nobody to recognize
    """
    _add_identifiers(_lock(customer), given, at=at, by=by, verified=verified)


def _add_identifiers(
    locked: Customer, given: Sequence[Given], *, at: datetime, by: str, verified: bool
) -> None:
    wanted = [
        (
            place,
            one.type,
            one.source,
            identifiers.normalize(type=one.type, value=one.value, country=locked.merchant.country),
        )
        for place, one in enumerate(given)
    ]
    before = _of(locked)
    others = [who for who in wanted if who[1:] not in before]
    for refusal in _taken(locked.merchant, others, verified=verified).values():
        raise refusal
    identifiers.attach(customer=locked, given=given, at=at, verified=verified)
    for _, *key in wanted:
        is_news = before.get((key[0], key[1], key[2])) is None
        if is_news:
            journey.note(
                customer=locked,
                kind="identifier.verified" if verified else "identifier.added",
                at=at,
                data={"type": key[0], "by": by},
            )


def _of(customer: Customer) -> dict[tuple[str, str, str], datetime | None]:
    """Return when each identifier of the customer, and of who was merged into them, was verified."""
    found: dict[tuple[str, str, str], datetime | None] = {
        (type, source, value): verified_at
        for type, source, value, verified_at in Identifier.objects.filter(
            merchant=customer.merchant_id, customer__in=merging.everybody(customer)
        ).values_list("type", "source", "value", "verified_at")
    }
    return found


@db.command
def remove_identifier(*, customer: Customer, identifier_id: int, at: datetime, by: str) -> None:
    """
    Take one way to recognize the customer away.

    :raises NotFound: the customer has no such identifier
    :raises LastIdentifier: it is the only one
    """
    locked = _lock(customer)
    has = {one.pk: one for one in Identifier.objects.filter(merchant=locked.merchant, customer=locked)}
    if identifier_id not in has:
        raise NotFound("The customer has no such identifier.")
    if len(has) == 1:
        raise LastIdentifier("It is the only way to recognize this customer. Add another one first.")
    has[identifier_id].delete()
    journey.note(
        customer=locked,
        kind="identifier.removed",
        at=at,
        data={"type": has[identifier_id].type, "by": by},
    )


@db.command
def block(*, customer: Customer, at: datetime, by: str, reason: str) -> None:
    """Stop a customer from signing in and spending. Repeating changes nothing."""
    _set_status(customer, Customer.Status.BLOCKED, at=at, data={"by": by, "reason": reason})


@db.command
def unblock(*, customer: Customer, at: datetime, by: str) -> None:
    """Let a blocked customer back in. Repeating changes nothing."""
    _set_status(customer, Customer.Status.ACTIVE, at=at, data={"by": by})


def _set_status(customer: Customer, status: Customer.Status, *, at: datetime, data: dict[str, Any]) -> None:
    locked = _lock(customer)
    is_settled = locked.status == status or locked.status == Customer.Status.MERGED
    if not is_settled:
        locked.status = status
        locked.save(update_fields=["status"])
        is_blocked = status == Customer.Status.BLOCKED
        journey.note(
            customer=locked, kind=f"customer.{'blocked' if is_blocked else 'unblocked'}", at=at, data=data
        )
    customer.status = locked.status
