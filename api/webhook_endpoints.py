"""Outgoing webhooks: endpoints with their secrets, what was sent, and sending it again."""

from datetime import timedelta
from typing import Annotated, Any

import django_filters
from pydantic import Field

from api import fields
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Long
from api.filters import Filters
from api.webhook_shapes import DeliveryOut, EndpointMadeOut, EndpointOut
from connectors import endpoints, outbox, payloads
from connectors.models import WebhookDelivery, WebhookEndpoint
from customers.models import Customer
from lib import public_ids

SCOPES = ("webhooks:write",)
WAITING = ("queued", "failed")

Address = Annotated[str, fields.text(500, least=1), Field(description="https only, and no private network.")]
Kinds = Annotated[
    list[Annotated[str, fields.text(60, least=1)]],
    Field(min_length=1, max_length=50, description="Kinds of events, or patterns like points.* and *."),
]
Filter = Annotated[
    dict[str, Any],
    Field(description='Paths in `data` with the values they may hold, or numbers: {"points": {"min": 10}}.'),
]
Mapping = Annotated[
    dict[str, str], Field(description='New names with paths in `data`: {"mail": "customer.email"}.')
]


class EndpointIn(Body):
    """An address that wants to hear what happens."""

    url: Address
    kinds: Kinds
    description: Long = ""
    filters: Filter = {}
    mapping: Mapping = {}


class EndpointPatch(Body):
    """What changes. `is_on` switches; what waits meanwhile is sent once the endpoint is on again."""

    url: Address | None = None
    kinds: Kinds | None = None
    description: Long | None = None
    filters: Filter | None = None
    mapping: Mapping | None = None
    is_on: Annotated[bool, Field(strict=True)] | None = None


class RotateIn(Body):
    """How long messages are signed by both secrets."""

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=720)] = 72


class DeliveryFilters(Filters):
    state = django_filters.ChoiceFilter(choices=WebhookDelivery.State.choices, label="One state")
    type = django_filters.CharFilter(field_name="kind", label="One kind of event")


class Endpoints(Door):
    @call(scopes=SCOPES, body=EndpointIn, answers={201: EndpointMadeOut})
    def post(self, said: EndpointIn) -> Answer:
        """
        Add an endpoint.

        Its secret is said in this answer and never again. It hears what happens from a few seconds later on.
        """
        made: list[str] = []
        answer = self.do(
            lambda: endpoints.add(
                merchant=self.merchant,
                url=said.url,
                kinds=said.kinds,
                description=said.description,
                filters=said.filters,
                mapping=said.mapping,
                at=self.at,
            ),
            show=lambda added: _kept(201, added[0], made, secret=added[1]),
        )
        return _told(answer, made)

    @call(scopes=SCOPES, answers={200: EndpointOut}, orderings=("-id",))
    def get(self) -> Answer:
        """List endpoints, newest first."""
        rows = WebhookEndpoint.objects.filter(merchant=self.merchant)
        return self.listed(rows, shape=lambda rows: [shown(row) for row in rows])


class OneEndpoint(Door):
    @call(scopes=SCOPES, answers={200: EndpointOut})
    def get(self, endpoint: str) -> Answer:
        """Read one endpoint."""
        return Answer(200, shown(own(self, endpoint)))

    @call(scopes=SCOPES, body=EndpointPatch, answers={200: EndpointOut})
    def patch(self, said: EndpointPatch, endpoint: str) -> Answer:
        """Change an endpoint, or switch it off and on."""
        mine = own(self, endpoint)
        changed = {
            name: value for name in said.model_fields_set if (value := getattr(said, name)) is not None
        }
        return self.do(
            lambda: endpoints.change(endpoint=mine, at=self.at, **changed),
            show=lambda endpoint: Answer(200, shown(endpoint)),
        )

    @call(scopes=SCOPES, answers={204: None})
    def delete(self, endpoint: str) -> Answer:
        """
        Delete an endpoint.

        What waits for it is not sent, and its log goes with it.
        """
        mine = own(self, endpoint)
        return self.do(lambda: endpoints.remove(endpoint=mine), show=lambda _: Answer(204))


class Deliveries(Door):
    @call(
        scopes=SCOPES,
        answers={200: DeliveryOut},
        filters=DeliveryFilters,
        orderings=("-id",),
    )
    def get(self, endpoint: str) -> Answer:
        """List what was sent to an endpoint and what waits, newest first."""
        mine = own(self, endpoint)
        rows = WebhookDelivery.objects.filter(merchant=self.merchant, endpoint=mine).defer("body")
        return self.listed(rows, shape=lambda rows: [sent(row) for row in rows])


class Test(Door):
    @call(scopes=SCOPES, answers={202: DeliveryOut})
    def post(self, endpoint: str) -> Answer:
        """
        Send a `webhook.test` event.

        It is sent within seconds, whatever the endpoint listens to: look for its delivery.
        """
        mine = own(self, endpoint)
        return self.do(
            lambda: outbox.test(endpoint=mine, at=self.at), show=lambda row: Answer(202, sent(row))
        )


class RotateSecret(Door):
    @call(scopes=SCOPES, body=RotateIn, may_be_empty=True, answers={200: EndpointMadeOut})
    def post(self, said: RotateIn, endpoint: str) -> Answer:
        """
        Make a new secret.

        It is said in this answer and never again. Until the overlap is over, each message carries a signature
        by both secrets.
        """
        mine, made = own(self, endpoint), list[str]()
        overlap = timedelta(hours=said.overlap_hours)
        answer = self.do(
            lambda: endpoints.rotate(endpoint=mine, at=self.at, overlap=overlap),
            show=lambda secret: _kept(200, own(self, endpoint), made, secret=secret),
        )
        return _told(answer, made)


class Resend(Door):
    @call(scopes=SCOPES, answers={202: DeliveryOut})
    def post(self, delivery: str) -> Answer:
        """
        Send an event again.

        With the same id and body: a receiver that took it already knows it. Its retries begin anew.
        """
        mine = (
            WebhookDelivery.objects.select_related("endpoint")
            .filter(merchant=self.merchant, pk=fields.number(WebhookDelivery.prefix, delivery))
            .first()
        )
        if mine is None:
            raise fields.missing()
        return self.do(
            lambda: outbox.resend(delivery=mine, at=self.at), show=lambda row: Answer(202, sent(row))
        )


def own(door: Door, said: str) -> WebhookEndpoint:
    """:raises NotFound: there is none, or it is another merchant's"""
    number = fields.number(WebhookEndpoint.prefix, said)
    found = WebhookEndpoint.objects.filter(merchant=door.merchant, pk=number).first()
    if found is None:
        raise fields.missing()
    found.merchant = door.merchant
    return found


def _kept(status: int, endpoint: WebhookEndpoint, made: list[str], *, secret: str) -> Answer:
    """Return the answer without its secret, as it may be kept for repeats; `made` hears the secret."""
    made.append(secret)
    return Answer(status, {**shown(endpoint), "secret": None})


def _told(answer: Answer, made: list[str]) -> Answer:
    return Answer(answer.status, {**answer.body, "secret": made[-1]}) if made else answer


def shown(row: WebhookEndpoint) -> dict[str, Any]:
    """Return an endpoint as it is answered."""
    return {
        "id": row.public_id,
        "url": row.url,
        "description": row.description,
        "kinds": row.kinds,
        "filters": row.filters,
        "mapping": row.mapping,
        "is_on": row.is_on,
        "disabled_at": row.disabled_at,
        "disabled_reason": row.disabled_reason or None,
        "failing_since": row.failing_since,
        "previous_secret_until": row.previous_until,
        "created_at": row.created_at,
    }


def sent(row: WebhookDelivery) -> dict[str, Any]:
    """Return a delivery as it is answered."""
    return {
        "id": row.public_id,
        "endpoint": public_ids.show(WebhookEndpoint.prefix, row.endpoint_id),
        "event": row.event_id,
        "type": row.kind,
        "sequence": payloads.sequence(row.touchpoint_id),
        "customer": public_ids.show(Customer.prefix, row.customer_id) if row.customer_id else None,
        "state": row.state,
        "attempts": row.attempts,
        "next_at": row.next_at if row.state in WAITING else None,
        "last_status": row.last_status,
        "excerpt": row.excerpt,
        "log": row.log,
        "created_at": row.created_at,
        "delivered_at": row.delivered_at,
    }
