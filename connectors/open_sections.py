"""What of this room is in a merchant's open file."""

from connectors.models import Connection, SaleLink, WebhookEndpoint
from merchants.open_rows import Table

SECTIONS = [
    # Facts name the connection they came from. It arrives switched off, until somebody enters its secret.
    Table(
        "connection",
        Connection,
        blank={"secret_sealed": "", "previous_sealed": "", "previous_until": None, "is_active": False},
    ),
    Table("sale_link", SaleLink, ids={"connection_id": "cnx"}, order=("connection_id", "one", "other")),
    Table(
        "webhook_endpoint",
        WebhookEndpoint,
        blank={
            "secret_sealed": "",
            "previous_sealed": "",
            "previous_until": None,
            "is_on": False,
            "failing_since": None,
            "notified_at": None,
        },
    ),
]

LEFT_OUT = {
    "connectors.InboundEvent": "Messages of other machines: what they said is in the purchases.",
    "connectors.WebhookDelivery": "What was sent from one installation; nothing is told a second time.",
}
