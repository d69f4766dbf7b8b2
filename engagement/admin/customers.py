"""The customer's page: what the shop said to this person, and why not."""

from django.utils.translation import gettext_lazy as _

from customers import merging
from customers.admin.panels import KINDS, PANELS, Panel
from customers.models import Customer
from engagement.models import Message


def _messages(customer: Customer, start: int, stop: int) -> list[Message]:
    everybody = merging.everybody(customer)
    rows = Message.objects.filter(merchant=customer.merchant_id, customer__in=everybody)
    return list(rows.defer("text", "data").order_by("-pk")[start:stop])


PANELS.append(
    Panel(
        name="messages",
        title=_("Messages"),
        template="admin/engagement/messages.html",
        permission="engagement.view_message",
        order=60,
        rows=_messages,
        empty=_("Nothing was said to this customer yet."),
    )
)
KINDS |= {
    "message.sent": _("Message sent"),
    "message.bounced": _("Message came back"),
    "message.complained": _("Message called spam"),
    "survey.answered": _("Answered a survey"),
    "consent.given": _("Said yes to messages"),
    "consent.withdrawn": _("Said no to messages"),
}
