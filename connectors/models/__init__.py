"""
Other machines that tell us things.

`Connection` is one machine of one merchant (a Stripe account, a shop's server): its kind, its secret
(sealed), and what to do with people it names whom we do not know. `InboundEvent` is the inbox: what was
received, as it was received, unique per connection and the sender's event id, stored before anything else
happens with it. `SaleLink` remembers that two numbers of the other system mean one sale (a payment intent
and an invoice), when that is said in a message of its own. Connections are configuration and are edited;
events and links are facts: `connectors.inbox` writes them and works through them.
"""

from connectors.models.connection import Connection
from connectors.models.inbound_event import InboundEvent
from connectors.models.sale_link import SaleLink

__all__ = ["Connection", "InboundEvent", "SaleLink"]
