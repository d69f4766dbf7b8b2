"""Customers and consents as a CRM knows them: brought in by its own id."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api import customers, fields
from api.answers import Answer as Reply
from api.customers import Value
from api.door import Door, call
from api.fields import Birthday, Body, Language, Name, Time
from api.shapes import CustomerOut
from connectors import crm
from connectors.crm import Contact, Upserted
from connectors.crm_answers import Answer
from customers.identifiers import Given

STATUS = {"created": 201, "changed": 200, "unchanged": 200}
Source = Annotated[
    str, fields.text(60, least=1, pattern=r"^[a-z0-9][a-z0-9_.-]*$"), Field(description="The other system.")
]


class AnswerIn(Body):
    """One answer of the customer. Without `at` it is as old as `changed_at`."""

    channel: Annotated[str, fields.text(20, least=1)]
    purpose: Annotated[str, fields.text(40, least=1)]
    granted: Annotated[bool, Field(strict=True)]
    at: Time | None = None
    wording: Annotated[str, fields.text(4000)] = ""


class ContactIn(Body):
    """What the other system says; what is left out stays. `changed_at`: when it learned this (default: now)."""

    name: Name | None = None
    email: Value | None = None
    phone: Value | None = None
    card: Value | None = None
    birthday: Birthday | None = Field(None, description="MM-DD")
    language: Language | None = None
    consents: Annotated[list[AnswerIn], Field(max_length=50)] = []
    changed_at: Time | None = None
    joined_at: Time | None = None


class ContactEventIn(ContactIn):
    """The same in a batch: `source` names the system, `external_id` the person there."""

    source: Source
    external_id: Value


class ContactOut(BaseModel):
    """`kept` names what a later word, another customer or a rule kept: name, email, consent:email/marketing."""

    status: Literal["created", "changed", "unchanged"]
    kept: list[str]
    customer: CustomerOut


class ByExternalId(Door):
    @call(scopes=("customers:write",), body=ContactIn, answers={200: ContactOut, 201: ContactOut})
    def put(self, said: ContactIn, source: str, external_id: str) -> Reply:
        """
        Bring in a customer by another system's id.

        Found by that id, else by e-mail, phone or card; enrolled when nobody is found. The later word stands:
        what is older than what is known changes nothing, and an unsubscribe is undone by a later yes only.
        Repeating is safe.
        """
        event = ContactEventIn.model_validate(
            {**said.model_dump(exclude_unset=True), "source": source, "external_id": external_id}
        )
        return self.do(
            lambda: crm.upsert_all(
                merchant=self.merchant, source=event.source, contacts=[contact(event)], at=self.at, by=self.by
            ),
            show=lambda told: self._answer(told[0]),
        )

    def _answer(self, told: Upserted) -> Reply:
        if told.error is not None:
            raise told.error
        assert told.customer_id is not None
        shape = customers.shown(self, told.customer_id)
        return Reply(STATUS[told.status], shown(told, shape), customer_id=told.customer_id)


def contact(said: ContactEventIn) -> Contact:
    """Return the person as the connectors read it."""
    texts = {name: getattr(said, name) for name in ("name", "birthday", "language")}
    return Contact(
        external_id=said.external_id,
        identifiers=tuple(
            Given(type, value) for type in crm.OURS if (value := getattr(said, type)) is not None
        ),
        fields={name: text for name, text in texts.items() if text is not None},
        consents=tuple(Answer(**one.model_dump()) for one in said.consents),
        changed_at=said.changed_at,
        joined_at=said.joined_at,
    )


def shown(told: Upserted, customer: dict[str, Any]) -> dict[str, Any]:
    """Return what became of one contact, as it is answered."""
    return {"status": told.status, "kept": told.kept, "customer": customer}
