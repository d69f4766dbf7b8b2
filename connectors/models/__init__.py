"""
Other machines that tell us things, and that we tell.

`Connection` is one machine of one merchant (a Stripe account, a shop's server): its kind, its secret
(sealed), and what to do with people it names whom we do not know. `InboundEvent` is the inbox: what was
received, as it was received, unique per connection and the sender's event id, stored before anything else
happens with it. `SaleLink` remembers that two numbers of the other system mean one sale (a payment intent
and an invoice), when that is said in a message of its own. Connections are configuration and are edited;
events and links are facts: `connectors.inbox` writes them and works through them.

`WebhookEndpoint` is an address that wants to hear what happens (configuration, by `connectors.endpoints`),
`WebhookDelivery` one event on its way to one of them (a fact, by `connectors.outbox`): the other way around
of the inbox, with the same lease and the same patience.
"""

from connectors.models.connection import Connection
from connectors.models.inbound_event import InboundEvent
from connectors.models.sale_link import SaleLink
from connectors.models.webhook_delivery import WebhookDelivery
from connectors.models.webhook_endpoint import WebhookEndpoint

__all__ = ["Connection", "InboundEvent", "SaleLink", "WebhookDelivery", "WebhookEndpoint"]
