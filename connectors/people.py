"""The people that messages name: recognized, enrolled where that is wanted, remembered by their ids there."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from connectors.models import Connection
from connectors.sources.base import Left, Met, Who
from customers import identifiers, people
from customers.consent import Choice
from customers.identifiers import Given, InvalidIdentifier
from customers.models import Customer, Identifier
from lib import db, public_ids
from lib.errors import DomainError
from loyalty import members
from loyalty.members import Newcomer
from merchants.models import Merchant

# Sales wait for their customer under the name by which a till will most likely meet them.
_WAITS_UNDER = {"own": 0, "card": 1, "email": 2, "phone": 3, "external_id": 4}
_CONTACTS = ("email", "phone")

Known = dict[Who, int]


def find(*, connection: Connection, whos: Iterable[Who], met: Sequence[Met] = (), at: datetime) -> Known:
    """
    Return the customer of each person that is known now; where the connection enrolls, of nearly all.

    The surest of a person's identifiers decides. Whoever is recognized by an e-mail or phone is from now on
    known by their id in the other system too.
    """
    introduced = {one.who: one for one in met}
    wanted = [who for who in dict.fromkeys([*introduced, *whos]) if who.given]
    if not wanted:
        return {}
    known = _introduce(_recognize(connection.merchant, wanted), wanted)
    enrolls = connection.enroll == Connection.Enroll.ALWAYS
    strangers = [
        introduced.get(who) or Met(who)
        for who in wanted
        if who not in known and (_joins(introduced.get(who)) or (enrolls and _has_contact(who)))
    ]
    if strangers:
        _enroll(connection, strangers, at=at)
        known |= _recognize(connection.merchant, [one.who for one in strangers])
    return known


def _introduce(known: Known, wanted: Sequence[Who]) -> Known:
    """
    Add the strangers who share an outside id with somebody known: two messages of one batch, of which one
    said the e-mail. Drained one after the other, the first would have made the second one's id known.
    """
    by_id = {given: customer_id for who, customer_id in known.items() for given in _outside_ids(who)}
    return {
        who: by_id[given]
        for who in wanted
        if who not in known
        for given in _outside_ids(who)
        if given in by_id
    } | known


def _outside_ids(who: Who) -> list[Given]:
    return [given for given in _given(who) if given.type == "external_id"]


def _joins(met: Met | None) -> bool:
    return met is not None and met.joins


def _recognize(merchant: Merchant, whos: Sequence[Who]) -> Known:
    asked = [(who, given) for who in whos for given in _given(who)]
    ids = identifiers.resolve(merchant=merchant, given=[given for _, given in asked], verified_only=True)
    found: dict[Who, int] = _by_own_id(merchant, whos)
    for (who, _), customer_id in zip(asked, ids, strict=True):
        if customer_id is not None:
            found.setdefault(who, customer_id)
    return found


def _given(who: Who) -> list[Given]:
    """Return a person's identifiers; what the shop calls its customer is an outside id of no named system."""
    return [
        Given("external_id", value) if type == "own" else Given(type, value, source)
        for type, value, source in who.given
    ]


def _by_own_id(merchant: Merchant, whos: Sequence[Who]) -> Known:
    """Return those whom the shop names by our own public id."""
    named = {
        who: number
        for who in whos
        for type, value, _ in who.given
        if type == "own" and (number := public_ids.read(Customer.prefix, value)) is not None
    }
    if not named:
        return {}
    here = {
        number: merged_into or number
        for number, merged_into in Customer.objects.filter(
            merchant=merchant, pk__in=set(named.values())
        ).values_list("pk", "merged_into_id")
    }
    return {who: here[number] for who, number in named.items() if number in here}


def _has_contact(who: Who) -> bool:
    return any(type in _CONTACTS for type, _, _ in who.given)


def _enroll(connection: Connection, strangers: Sequence[Met], *, at: datetime) -> None:
    """Enroll people, those who share an identifier as one. Who cannot be enrolled stays a stranger."""
    country = connection.merchant.country
    seen: set[tuple[str, str, str]] = set()
    newcomers = []
    # Who joins in so many words comes first, then who says most: the others are found to be the same.
    for met in sorted(strangers, key=lambda met: (not met.joins, -len(met.who.given))):
        usable = {key: given for given in _given(met.who) if (key := _key(given, country)) is not None}
        is_reachable = met.joins or any(type in _CONTACTS for type, _, _ in usable)
        if usable and is_reachable and not seen.intersection(usable):
            seen.update(usable)
            newcomers.append(_newcomer(met, usable.values()))
    members.enroll_all(merchant=connection.merchant, people=newcomers, at=at, by=connection.public_id)


def _newcomer(met: Met, given: Iterable[Given]) -> Newcomer:
    return Newcomer(
        tuple(given),
        name=_printable(met.who.name),
        birthday=met.birthday,
        language=_language(met.who.language),
        consents=tuple(Choice(*one) for one in met.consents),
    )


def _key(given: Given, country: str) -> tuple[str, str, str] | None:
    try:
        value = identifiers.normalize(type=given.type, value=given.value, country=country)
    except InvalidIdentifier:
        return None
    return given.type, given.source, value


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in name).strip()[:120]


def _language(tag: str) -> str:
    try:
        people.check(language=tag)
    except DomainError:
        return ""
    return tag


def waits_under(who: Who, *, country: str) -> Given | None:
    """Return the identifier under which a sale of an unknown person is kept; None when nothing is usable."""
    for _, given in sorted(
        zip(who.given, _given(who), strict=True), key=lambda pair: _WAITS_UNDER.get(pair[0][0], 9)
    ):
        if _key(given, country) is not None:
            return given
    return None


def remember(*, connection: Connection, known: Known, at: datetime) -> None:
    """Let known people be recognized by their outside ids from now on."""
    rows = {
        (customer_id, given)
        for who, customer_id in known.items()
        for given in _given(who)
        if given.type == "external_id" and public_ids.read(Customer.prefix, given.value) is None
    }
    has = identifiers.resolve(merchant=connection.merchant, given=[given for _, given in rows])
    new = [pair for pair, owner in zip(rows, has, strict=True) if owner is None]
    if new:
        _attach(merchant=connection.merchant, rows=new, at=at)


@db.command
def _attach(*, merchant: Merchant, rows: Sequence[tuple[int, Given]], at: datetime) -> None:
    customers = Customer.objects.select_related("merchant").in_bulk([number for number, _ in rows])
    for customer_id, given in sorted(rows, key=lambda row: (row[0], row[1].value)):
        # Somebody else may have got it since we looked: then it is theirs.
        try:
            identifiers.attach(customer=customers[customer_id], given=[given], at=at, verified=True)
        except identifiers.IdentifierTaken:
            continue


def meet(*, connection: Connection, met: Met, customer_id: int, at: datetime) -> None:
    """Give a customer the contacts and, if they have none, the name that the other system knows."""
    customer = Customer.objects.select_related("merchant").get(pk=customer_id)
    if customer.status in (Customer.Status.ERASED, Customer.Status.MERGED):
        return
    by = connection.public_id
    for given in _given(met.who):
        if given.type not in _CONTACTS or _key(given, connection.merchant.country) is None:
            continue
        try:
            people.add_identifiers(customer=customer, given=[given], at=at, by=by)
        except identifiers.IdentifierTaken:
            continue  # two customers there, one here, or the other way round: merging is for people
    news: dict[str, Any] = {
        name: value
        for name, value in (
            ("name", _printable(met.who.name)),
            ("language", _language(met.who.language)),
            ("birthday", met.birthday),
        )
        if value and not getattr(customer, name)
    }
    if news:
        people.change(customer=customer, at=at, by=by, **news)


@db.command
def part(*, connection: Connection, left: Left) -> None:
    """End the link to somebody who was deleted in the other system. Their points and contacts stay."""
    type, value, source = left.given
    Identifier.objects.filter(merchant=connection.merchant, type=type, source=source, value=value).delete()
