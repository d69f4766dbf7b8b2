"""What a customer gets from a shop, channel by channel: on My data, and behind the link of any message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from customers import consent
from customers.models import Customer
from engagement import deciding, optins, subscriptions
from engagement.channels import CHANNELS
from engagement.models import ChannelSettings
from engagement.subscriptions import PURPOSES, UnknownLink
from portal.visits import Visit, door, show

ONE_CLICK = "List-Unsubscribe"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to say yes or no to: its name in the form, its sentence, and the answer in force."""

    name: str
    channel: str
    purpose: str
    wording: str
    is_on: bool


def options(customer: Customer) -> list[Option]:
    """Return what may be chosen: news and notices of each channel the shop uses. Two statements."""
    given = {(one.channel, one.purpose): one.granted for one in consent.current(customer=customer)}
    own = ChannelSettings.objects.filter(merchant=customer.merchant_id).values_list("kind", "is_active")
    is_on = dict(own)
    used = {
        channel.consent
        for kind, channel in sorted(CHANNELS.load().items())
        if channel.consent and is_on.get(kind, channel.is_ready_alone)
    }
    return [
        Option(
            name=f"{channel}-{purpose}",
            channel=channel,
            purpose=purpose,
            wording=subscriptions.wording(customer.merchant, channel, purpose),
            # Notices go out until they are refused, news only after a yes.
            is_on=given.get((channel, purpose), purpose != "marketing"),
        )
        for channel in sorted(used)
        for purpose in PURPOSES
    ]


def save(customer: Customer, said: Mapping[str, Any], *, source: str) -> None:
    """Record the answers of the form that differ from those in force."""
    answers = {
        (option.channel, option.purpose): option.name in said
        for option in options(customer)
        if (option.name in said) != option.is_on
    }
    subscriptions.choose(customer=customer, answers=answers, at=timezone.now(), source=source)


# The link itself is what allows it: mail programs send no form token, and nothing here hangs on a session.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@door
def stop(visit: Visit, token: str) -> HttpResponse:
    """
    Stop messages like the one that was opened: at once, without signing in.

    Looking changes nothing: mail scanners follow every link. Pressing the button does, and so does the
    one click of a mail program (RFC 8058).
    """
    try:
        message = subscriptions.find(merchant=visit.merchant, token=token)
    except UnknownLink as refusal:
        return show(visit, "stop", status=404, refusal=refusal)
    said = visit.request.POST
    customer = deciding.who(message)
    if visit.request.method == "POST" and "choices" in said:
        save(customer, said, source="preferences")
        messages.success(visit.request, _("Saved."))
        return redirect("portal:stop", slug=visit.merchant.slug, token=token)
    if visit.request.method == "POST":
        subscriptions.stop(message=message, at=timezone.now())
        if ONE_CLICK in said:
            return HttpResponse(_("Done."), content_type="text/plain; charset=utf-8")
    return show(
        visit,
        "stop",
        is_done=visit.request.method == "POST",
        is_marketing=message.purpose == "marketing",
        options=options(customer),
        address=visit.request.path,
    )


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@door
def confirm(visit: Visit, token: str) -> HttpResponse:
    """Confirm the yes to news that was told elsewhere. Looking changes nothing, here too."""
    try:
        opt_in = optins.find(merchant=visit.merchant, token=token)
    except UnknownLink as refusal:
        return show(visit, "confirm", status=404, refusal=refusal)
    if visit.request.method == "POST":
        optins.confirm(opt_in=opt_in, at=timezone.now())
    is_done = visit.request.method == "POST" or opt_in.confirmed_at is not None
    return show(visit, "confirm", is_done=is_done, wording=opt_in.wording)
