"""How long the periodic work of this room has been waiting: see config/periodic.py."""

from datetime import datetime

from connectors.models import InboundEvent, WebhookDelivery, WebhookEndpoint
from connectors.outbox import DUE as WAITING
from lib.due import Ids, earliest, whose


def drain(*, at: datetime, merchants: Ids) -> datetime | None:
    return earliest(whose(InboundEvent.objects.filter(status="waiting", due_at__lte=at), merchants), "due_at")


def send(*, at: datetime, merchants: Ids) -> datetime | None:
    rows = WebhookDelivery.objects.filter(state__in=WAITING, next_at__lte=at, endpoint__is_on=True)
    return earliest(whose(rows, merchants), "next_at")


def tell_of_endpoints(*, at: datetime, merchants: Ids) -> datetime | None:
    off = WebhookEndpoint.objects.filter(
        is_on=False, disabled_reason__in=["failing", "gone"], notified_at=None, disabled_at__isnull=False
    )
    return earliest(whose(off, merchants), "disabled_at")


DUE = {
    "connectors.tasks.drain": drain,
    "connectors.tasks.send": send,
    "connectors.tasks.tell_of_endpoints": tell_of_endpoints,
}
