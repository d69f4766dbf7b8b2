"""How customers are recognized: normal forms of e-mails, phones, cards and outside ids, and who has them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import phonenumbers

from customers.models import Customer, Identifier
from lib import db, public_ids
from lib.errors import Conflict, Fault, Malformed
from merchants.models import Merchant

TYPES = ("email", "phone", "card", "external_id")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]+@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+")
_CARD_NOISE = re.compile(r"[\s\-.]")


class InvalidIdentifier(Malformed):
    code = "invalid_identifier"


class IdentifierTaken(Conflict):
    """Another customer of this merchant has it."""

    code = "identifier_taken"


@dataclass(frozen=True, slots=True)
class Given:
    """One way to recognize a customer, as somebody said it. `source` names the system of an outside id."""

    type: str
    value: str
    source: str = ""


def normalize(*, type: str, value: str, country: str) -> str:
    """
    Return the one form in which an identifier is stored and found.

    Phones become E.164 (national numbers are read as the merchant's country), e-mails lower case, cards
    lose blanks and dashes, outside ids stay as they are.

    :raises InvalidIdentifier: it is not one
    """
    text = value.strip()
    if not text or len(text) > 254 or "\x00" in text:
        raise _invalid(type, "it is empty, too long or holds a NUL byte")
    match type:
        case "email":
            if not _EMAIL.fullmatch(text):
                raise _invalid(type, "it is not an e-mail address, like ana@example.com")
            return text.lower()
        case "phone":
            return _phone(text, country)
        case "card":
            return _CARD_NOISE.sub("", text).upper()
        case "external_id":
            return text
    raise _invalid(type, f"the type must be one of {', '.join(TYPES)}")


def _phone(text: str, country: str) -> str:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise _invalid("phone", "it is not a phone number, like +351 912 345 678")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _invalid(type: str, detail: str) -> InvalidIdentifier:
    return InvalidIdentifier(
        f"The {type} cannot be used: {detail}.", faults=[Fault(f"/{type}", "invalid_identifier", detail)]
    )


def resolve(*, merchant: Merchant, given: Sequence[Given], verified_only: bool = False) -> list[int | None]:
    """
    Return the id of each one's customer, None for who is not here; one statement for all.

    A merged customer answers as its target. What cannot be normalized is nobody's.
    """
    wanted: list[tuple[int, str, str, str]] = []
    for place, one in enumerate(given):
        try:
            value = normalize(type=one.type, value=one.value, country=merchant.country)
        except InvalidIdentifier:
            continue
        wanted.append((place, one.type, one.source, value))
    found: list[int | None] = [None] * len(given)
    if wanted:
        for place, customer_id in ask_who(
            merchant_id=merchant.pk, wanted=wanted, verified_only=verified_only
        ).rows:
            found[place] = customer_id
    return found


def ask_who(
    *, merchant_id: int, wanted: Sequence[tuple[int, str, str, str]], verified_only: bool = False
) -> db.Answer:
    """Ask for (place, customer id) of normalized (place, type, source, value); usable inside `together()`."""
    source, params = db.given(
        {"place": "integer", "type": "varchar", "source": "varchar", "value": "varchar"}, wanted
    )
    verified = "AND i.verified_at IS NOT NULL" if verified_only else ""
    return db.ask(
        f"""
        SELECT given.place, COALESCE(c.merged_into_id, c.id)
        FROM {source}
        JOIN customers_identifier i ON i.merchant_id = %s AND i.type = given.type
             AND i.source = given.source AND i.value = given.value {verified}
        JOIN customers_customer c ON c.id = i.customer_id
        """,
        [*params, merchant_id],
    )


def search(*, merchant: Merchant, q: str) -> int | None:
    """
    Return the customer behind whatever was scanned or typed: a phone, an e-mail, a card, an outside id or
    the customer's own id (what the QR code holds), in any usual spelling. None when nobody is.
    """
    text = q.strip()
    if (number := public_ids.read("cus", text)) is not None:
        row = (
            Customer.objects.filter(merchant=merchant, pk=number).values_list("merged_into_id", "pk").first()
        )
        return (row[0] or row[1]) if row else None
    guesses = []
    for place, type in enumerate(TYPES):
        try:
            guesses.append((place, type, normalize(type=type, value=text, country=merchant.country)))
        except InvalidIdentifier:
            continue
    if not guesses:
        return None
    source, params = db.given({"place": "integer", "type": "varchar", "value": "varchar"}, guesses)
    row = db.ask(
        f"""
        SELECT COALESCE(c.merged_into_id, c.id)
        FROM {source}
        JOIN customers_identifier i ON i.merchant_id = %s AND i.value = given.value AND i.type = given.type
        JOIN customers_customer c ON c.id = i.customer_id
        ORDER BY given.place LIMIT 1
        """,
        [*params, merchant.pk],
    ).one
    return row[0] if row else None


@db.inside_transaction
def attach(*, customer: Customer, given: Sequence[Given], at: datetime, verified: bool) -> None:
    """
    Give the customer these identifiers. What is already theirs stays, and becomes verified if it now is.

    :raises IdentifierTaken: another customer of the merchant has one of them
    :raises InvalidIdentifier: one of them is not an identifier
    """
    rows = [
        {
            "id": number,
            "merchant_id": customer.merchant_id,
            "customer_id": customer.pk,
            "type": one.type,
            "source": one.source,
            "value": normalize(type=one.type, value=one.value, country=customer.merchant.country),
            "verified_at": at if verified else None,
            "created_at": at,
        }
        for number, one in zip(public_ids.new_many(len(given)), given, strict=True)
    ]
    db.insert(Identifier, rows, on_conflict="(merchant_id, type, source, value) DO NOTHING")
    wanted = [
        (place, str(row["type"]), str(row["source"]), str(row["value"])) for place, row in enumerate(rows)
    ]
    for place, owner in ask_who(merchant_id=customer.merchant_id, wanted=wanted).rows:
        if owner != customer.pk:
            raise IdentifierTaken(
                f"Another customer already has this {rows[place]['type']}.",
                faults=[Fault(f"/{rows[place]['type']}", "identifier_taken", "belongs to another customer")],
            )
    if verified:
        for row in rows:
            Identifier.objects.filter(
                merchant=customer.merchant_id,
                customer=customer,
                verified_at=None,
                type=row["type"],
                source=row["source"],
                value=row["value"],
            ).update(verified_at=at)
