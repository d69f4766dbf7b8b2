"""A message handed to the merchant's own machine: a touchpoint that its webhooks carry, told once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext_lazy as _

from customers import journey
from engagement.channels.base import Channel, Letter, Taken
from lib import db
from merchants.models import Merchant


class Webhook(Channel):
    kind = "webhook"
    label = _("Webhook (message.due)")

    @contextmanager
    def open(self, *, merchant: Merchant, options: Any, secret: str) -> Iterator["Line"]:
        yield Line()


class Line:
    def send(self, letter: Letter) -> Taken:
        _note(letter)
        return Taken()


@db.command
def _note(letter: Letter) -> None:
    # The reference makes a message one touchpoint, whoever sends it again.
    journey.note_all(
        [
            journey.row(
                merchant_id=letter.merchant.pk,
                customer_id=letter.extra["customer_id"],
                kind="message.due",
                at=letter.at,
                now=letter.at,
                channel="webhook",
                reference=letter.public_id,
                data={"message": letter.public_id, "subject": letter.subject, "text": letter.text},
            )
        ]
    )
