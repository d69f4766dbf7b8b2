"""What the inbox and the outbox keep about a person: what other machines said, and what they were told."""

from typing import Any

from django.db.models import Q

from connectors import outbox
from connectors.models import InboundEvent, WebhookDelivery
from customers.erasure import Holding, Traces, nobody, plain, shown, theirs
from loyalty.models import Purchase

# Shorter texts, like the number 12 in another system, are in half of all messages.
SHORTEST = 6


def _about(traces: Traces) -> Any:
    """
    Return the messages that name the person, or a sale of theirs.

    A full look through the shop's kept bodies: erasure and export are rare, and bodies are emptied in time.
    """
    kept = InboundEvent.objects.filter(merchant_id=traces.customer.merchant_id).exclude(body="")
    texts = {
        form for text in traces.texts for form in (text, text.removeprefix("+")) if len(form) >= SHORTEST
    }
    if not kept.exists():
        return kept
    sold = Purchase.objects.filter(merchant=traces.customer.merchant_id, customer__in=traces.ids)
    texts.update(number for number in sold.values_list("reference", flat=True) if len(number) >= SHORTEST)
    found = Q(pk__in=[])
    for text in texts:
        found |= Q(body__icontains=text)
    return kept.filter(found)


def _empty(traces: Traces) -> None:
    numbers = list(_about(traces).values_list("pk", flat=True))
    theirs = InboundEvent.objects.filter(pk__in=numbers)
    # What waits is worked through within seconds and then emptied in time; what needs a person needs none now.
    theirs.filter(status__in=["attention", "failed"]).update(status="ignored")
    theirs.exclude(status="waiting").update(body="", error="")


HOLDINGS = [
    Holding(
        "connectors.InboundEvent",
        "The body is emptied, the row stays: a message that is sent again is known for ever.",
        erase=_empty,
        export=lambda traces: plain(_about(traces).order_by("pk"), "type", "body", "received_at"),
    ),
    Holding(
        "connectors.WebhookDelivery",
        "The bodies are emptied, and what was not delivered is not sent any more. The row stays in the log.",
        erase=lambda traces: outbox.empty(theirs(WebhookDelivery, traces).exclude(body="")),
        export=shown(WebhookDelivery, "kind", "state", "body", "created_at"),
    ),
    *nobody("connectors.WebhookEndpoint", why="Kept: it is about the shop."),
    *nobody("connectors.SaleLink", why="Kept: numbers of sales in another system."),
    *nobody("connectors.Connection", why="Kept: it is about the shop."),
]
