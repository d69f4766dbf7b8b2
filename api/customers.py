"""Customers: enrolled, found, read, changed, erased."""

from collections.abc import Sequence
from typing import Annotated, Any

import django_filters
from django.db.models import QuerySet
from pydantic import Field

from api import fields, stores, throttles
from api.answers import Answer
from api.door import Door, call
from api.fields import Birthday, Body, Language, Long, Name, Short, Timezone
from api.filters import Filters, Since
from api.shapes import CustomerOut
from customers import erasure, identifiers, people, records
from customers.consent import Choice
from customers.identifiers import TYPES, Given, InvalidIdentifier
from customers.models import Customer, Identifier
from customers.records import Record
from customers.referrals import Claim
from lib import public_ids
from lib.errors import Fault, Malformed
from loyalty import balances, members

PATH = "/api/v1/customers"
Value = Annotated[str, fields.text(254, least=1)]


class ConsentIn(Body):
    """One answer of the customer. `wording` is the sentence they answered: keep it, it is the proof."""

    channel: Annotated[str, fields.text(20, least=1)]
    purpose: Annotated[str, fields.text(40, least=1)]
    granted: Annotated[bool, Field(strict=True)]
    source: Short = ""
    wording: Annotated[str, fields.text(4000)] = ""


class CustomerIn(Body):
    """Somebody who joins: at least one of email, phone, card and external_id."""

    name: Name = ""
    email: Value | None = None
    phone: Value | None = None
    card: Value | None = None
    external_id: Value | None = None
    birthday: Birthday = Field("", description="MM-DD")
    language: Language | None = None
    consents: Annotated[list[ConsentIn], Field(max_length=50)] = []
    store: Short | None = None
    referral_code: Annotated[str, fields.text(20, least=1)] | None = Field(
        None, description="The code of the customer who brought them."
    )
    device: Long = Field(
        "", description="An id of the customer's device, where an app tells one. Kept as a keyed hash."
    )


class CustomerPatch(Body):
    """What changes. Identifiers are added to those the customer has; consents are answers of now."""

    name: Name | None = None
    email: Value | None = None
    phone: Value | None = None
    card: Value | None = None
    external_id: Value | None = None
    birthday: Birthday | None = None
    language: Language | None = None
    timezone: Timezone | None = Field(
        None, description="Where the customer lives, like Europe/Lisbon: for quiet hours."
    )
    consents: Annotated[list[ConsentIn], Field(max_length=50)] = []


class CustomerFilters(Filters):
    email = django_filters.CharFilter(method="has", label="Exactly this e-mail")
    phone = django_filters.CharFilter(method="has", label="This phone, in any spelling")
    card = django_filters.CharFilter(method="has", label="This card")
    external_id = django_filters.CharFilter(method="has", label="This id in another system")
    tier = django_filters.CharFilter(method="at_tier", label="Customers with this tier")
    enrolled_after = Since(field_name="created_at", lookup_expr="gte", label="Enrolled from this time on")

    def has(self, rows: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        merchant = self.request.auth.merchant
        try:
            normal = identifiers.normalize(type=name, value=value, country=merchant.country)
        except InvalidIdentifier:
            return rows.none()
        owners = Identifier.objects.filter(merchant=merchant, type=name, value=normal)
        return rows.filter(pk__in=owners.values("customer_id"))

    def at_tier(self, rows: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        return rows.filter(
            memberships__tier=value, memberships__merchant=self.request.auth.merchant
        ).distinct()


class Customers(Door):
    @call(scopes=("customers:write",), body=CustomerIn, answers={201: CustomerOut})
    def post(self, said: CustomerIn) -> Answer:
        """
        Enroll a customer.

        They become a member of the merchant's program, with an account. An identifier that somebody else has
        is 409 `identifier_taken`. A `referral_code` that cannot count is 422, and then nobody is enrolled: ask
        again, or send it without.
        """
        return self.do(
            lambda: members.enroll_all(
                merchant=self.merchant, people=[newcomer(self, said)], at=self.at, by=self.by
            ),
            show=lambda added: self._enrolled(added[0]),
        )

    @call(
        scopes=("customers:read",),
        answers={200: CustomerOut},
        filters=CustomerFilters,
        orderings=("-id", "-created_at"),
    )
    def get(self) -> Answer:
        """List customers, newest first; without those who were merged or erased."""
        rows = Customer.objects.filter(merchant=self.merchant, status__in=("active", "blocked"))
        return self.listed(
            rows.only("id", "created_at"),
            shape=lambda rows: shown_all(self, [row.pk for row in rows]),
        )

    def _enrolled(self, added: Any) -> Answer:
        if isinstance(added, Exception):
            raise added
        return Answer(201, shown(self, added.pk), customer_id=added.pk)


class Lookup(Door):
    """The till's fast path: whoever stands at the counter."""

    @call(
        scopes=("customers:read",),
        answers={200: CustomerOut},
        parameters={"q": "A phone, e-mail, card, QR text or external id, in any usual spelling."},
    )
    def get(self) -> Answer:
        """Find one customer by whatever was scanned or typed."""
        said = self.request._request.GET.get("q", "").strip()
        if not said or len(said) > 254 or "\x00" in said:
            raise Malformed(
                "Say what to look for.", faults=[Fault("/query/q", "required", "1 to 254 characters")]
            )
        throttles.guard_lookup(self.key.id)
        found = identifiers.search(merchant=self.merchant, q=said)
        if found is None:
            raise fields.missing()
        return Answer(200, shown(self, found))


class OneCustomer(Door):
    @call(scopes=("customers:read",), answers={200: CustomerOut, 301: None})
    def get(self, customer: str) -> Answer:
        """
        Read one customer.

        A customer merged into another answers 301 with the other's address, an erased one 410.
        """
        number = fields.number("cus", customer)
        record = records.read(merchant=self.merchant, customers=[number]).get(number)
        if record is None:
            raise fields.missing()
        if record.merged_into_id is not None:
            target = public_ids.show("cus", record.merged_into_id)
            return Answer(301, None, {"Location": f"{PATH}/{target}"})
        if record.status == "erased":
            raise people.CustomerErased("This customer has been erased.")
        return Answer(
            200, _shape(record, balances.balance(merchant=self.merchant, customer_id=number, at=self.at))
        )

    @call(scopes=("customers:write",), body=CustomerPatch, answers={200: CustomerOut})
    def patch(self, said: CustomerPatch, customer: str) -> Answer:
        """Change a customer: name, birthday, language, time zone; add identifiers; answer consents."""
        mine = own(self, customer)
        texts = {name: getattr(said, name) or "" for name in ("name", "birthday", "language", "timezone")}
        return self.do(
            lambda: people.change(
                customer=mine,
                at=self.at,
                by=self.by,
                given=_given(said),
                choices=_choices(said.consents),
                **{name: text for name, text in texts.items() if name in said.model_fields_set},
            ),
            show=lambda changed: Answer(200, shown(self, mine.pk), customer_id=mine.pk),
        )

    @call(scopes=("customers:write",), answers={204: None})
    def delete(self, customer: str) -> Answer:
        """
        Erase a customer.

        The person is removed, the books are kept. There is no way back.
        """
        mine = own(self, customer)
        return self.do(
            lambda: erasure.erase(customer=mine, at=self.at, by=self.by), show=lambda _: Answer(204)
        )


def own(door: Door, said: str) -> Customer:
    """
    Return the caller's customer of this id; a merged one as its target.

    :raises NotFound: there is none, or it is another merchant's
    :raises Gone: the customer was erased
    """
    found = (
        Customer.objects.select_related("merged_into")
        .filter(merchant=door.merchant, pk=fields.number("cus", said))
        .first()
    )
    if found is None:
        raise fields.missing()
    found = found.merged_into or found
    found.merchant = door.merchant
    if found.status == Customer.Status.ERASED:
        raise people.CustomerErased("This customer has been erased.")
    return found


def newcomer(door: Door, said: CustomerIn) -> members.Newcomer:
    """Return who joins, as the till said it."""
    return members.Newcomer(
        identifiers=tuple(_given(said)),
        name=said.name,
        birthday=said.birthday,
        language=said.language or "",
        consents=tuple(_choices(said.consents)),
        store=stores.said(door.key, said.store).code,
        claim=Claim(said.referral_code or "", device=said.device, pointer="/referral_code")
        if said.referral_code or said.device
        else None,
    )


def _given(said: CustomerIn | CustomerPatch) -> list[Given]:
    return [Given(type, value) for type in TYPES if (value := getattr(said, type)) is not None]


def _choices(said: Sequence[ConsentIn]) -> list[Choice]:
    return [Choice(one.channel, one.purpose, one.granted, one.source or "api", one.wording) for one in said]


def shown(door: Door, number: int) -> dict[str, Any]:
    """Return one customer as it is answered."""
    found = records.read(merchant=door.merchant, customers=[number])
    balance = balances.balance(merchant=door.merchant, customer_id=number, at=door.at)
    return _shape(found[number], balance)


def shown_all(door: Door, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return customers as they are answered, in this order: two statements for any number of them."""
    if not numbers:
        return []
    found = records.read(merchant=door.merchant, customers=numbers)
    points = balances.of_many(merchant=door.merchant, customers=numbers, at=door.at)
    return [_shape(found[number], points.get(number)) for number in numbers]


def _shape(record: Record, balance: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": public_ids.show("cus", record.id),
        "name": record.name,
        "status": record.status,
        "identifiers": [
            {"type": type, "value": value, "verified": verified, "source": source or None}
            for type, source, value, verified in record.identifiers
        ],
        "tier": (balance["tier"]["name"] or None) if balance else None,
        "balance": balance,
        "referral_code": record.referral_code,
        "birthday": record.birthday or None,
        "language": record.language or None,
        "timezone": record.timezone or None,
        "consents": [
            {"channel": channel, "purpose": purpose, "granted": granted, "at": at}
            for channel, purpose, granted, at in record.consents
        ],
        "lifecycle": None,
        "created_at": record.created_at,
    }
