"""A text before it is sent to anybody: looked at, and mailed to oneself."""

from datetime import datetime

from django.http import HttpResponse
from django.utils.translation import gettext as _

from customers.models import Customer
from engagement import templates
from engagement.channels import CHANNELS
from engagement.channels.base import InDoubt, Letter, NotTaken
from engagement.models import ChannelSettings, Template
from engagement.templates import Rendered
from lib import limits, secrets
from lib.errors import Refused

# Test mails go to any address: per member of staff, so that nobody mails strangers with them.
TESTS = "20/hour"
CHANNEL = "email"


class TestNotSent(Refused):
    code = "test_not_sent"


def render(template: Template, customer: Customer | None) -> Rendered:
    """
    Return a text filled in for a customer, or without one for an example.

    :raises InvalidTemplate: a value that the text names is missing
    """
    who = customer or Customer(merchant=template.merchant, name="Ana Lima", language=template.language)
    return templates.render(template, who, templates.sample(template.name))


def page(html: str) -> HttpResponse:
    """Return a mail as a page of its own that can load and run nothing."""
    response = HttpResponse(html)
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
    )
    return response


def send(template: Template, *, customer: Customer | None, address: str, at: datetime, by: str) -> None:
    """
    Mail a text to an address, marked as a test. Nothing is kept of it.

    :raises TestNotSent: too many were sent, or the server did not take it
    :raises InvalidTemplate: a value that the text names is missing
    """
    if not limits.take(TESTS, "test-mails", by):
        raise TestNotSent(_("Too many tests were sent. Please try again in an hour."))
    rendered = render(template, customer)
    merchant = template.merchant
    channel = CHANNELS[CHANNEL]
    settings = ChannelSettings.objects.filter(merchant=merchant, kind=CHANNEL).first()
    secret = secrets.open(settings.secret_sealed) if settings and settings.secret_sealed else ""
    options = channel.Options.model_validate(settings.options if settings else {})
    letter = Letter(
        message_id=0,
        public_id="test",
        merchant=merchant,
        to=address,
        subject=f"[{_('Test')}] {rendered.subject or rendered.short[:80]}",
        html=rendered.html,
        text=rendered.text,
        short=rendered.short,
        is_marketing=False,
        at=at,
    )
    try:
        with channel.open(merchant=merchant, options=options, secret=secret) as line:
            line.send(letter)
    except (NotTaken, InDoubt) as error:
        raise TestNotSent(_("The test was not sent: %(error)s") % {"error": error}) from error
