"""Addresses that hear what happens: added, changed, switched off and on, their secrets made and rotated."""

import base64
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from standardwebhooks.webhooks import Webhook

from connectors import kinds, payloads
from connectors.models import WebhookEndpoint
from connectors.models.webhook_delivery import WebhookDelivery
from customers.wishes import Wishes
from lib import db, outward, secrets
from lib.errors import Fault, Malformed, Refused
from merchants.models import Merchant

ROTATION = timedelta(hours=72)
LONGEST_ROTATION = timedelta(days=30)
MOST = 50
FIELDS = ("url", "description", "kinds", "filters", "mapping")


class InvalidEndpoint(Malformed):
    code = "invalid_endpoint"


class TooManyEndpoints(Refused):
    code = "too_many_endpoints"


def _learn() -> Mapping[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for merchant_id, patterns in WebhookEndpoint.objects.filter(is_on=True).values_list(
        "merchant_id", "kinds"
    ):
        found[merchant_id] = found.get(merchant_id, frozenset()) | kinds.wanted(patterns)
    return found


WISHES = Wishes(_learn)


def is_wanted(merchant_id: int, kind: str) -> bool:
    """Tell whether some endpoint of the merchant wants this kind. A new one hears from a few seconds later on."""
    return WISHES.has(merchant_id, kind)


@db.command
def add(
    *, merchant: Merchant, url: str, kinds: Sequence[str], at: datetime, secret: str = "", **more: Any
) -> tuple[WebhookEndpoint, str]:
    """
    Add an endpoint; return it with its secret, which is shown here and nowhere else.

    :raises InvalidEndpoint: what it says cannot be an endpoint
    :raises TooManyEndpoints: the merchant has fifty
    """
    if WebhookEndpoint.objects.filter(merchant=merchant).count() >= MOST:
        raise TooManyEndpoints(f"There are {MOST} endpoints already. Delete one that is not used.")
    endpoint = WebhookEndpoint(merchant=merchant, url=url, kinds=list(kinds), created_at=at, **more)
    secret = secret or new_secret()
    keep(endpoint=endpoint, secret=secret, at=at)
    return endpoint, secret


@db.command
def change(
    *, endpoint: WebhookEndpoint, at: datetime, is_on: bool | None = None, **fields: Any
) -> WebhookEndpoint:
    """
    Change what an endpoint is, or switch it. What waits for one that is off is sent once it is on again.

    :raises InvalidEndpoint: what it says cannot be an endpoint
    """
    if unknown := fields.keys() - set(FIELDS):
        raise TypeError(f"an endpoint's {sorted(unknown)} is not changed here")
    locked = lock(endpoint)
    for name, value in fields.items():
        setattr(locked, name, value)
    if is_on is not None:
        switch(locked, is_on=is_on, at=at)
    return keep(endpoint=locked, at=at)


@db.command
def remove(*, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint with its log. Repeating changes nothing."""
    WebhookDelivery.objects.filter(merchant=endpoint.merchant_id, endpoint=endpoint.pk)._raw_delete("default")
    WebhookEndpoint.objects.filter(merchant=endpoint.merchant_id, pk=endpoint.pk).delete()
    WISHES.changed()


@db.command
def rotate(*, endpoint: WebhookEndpoint, at: datetime, overlap: timedelta = ROTATION) -> str:
    """
    Give the endpoint a new secret and return it. Until `overlap` is over each message is signed by both.

    :raises InvalidEndpoint: the overlap is negative or longer than 30 days
    """
    if not timedelta(0) <= overlap <= LONGEST_ROTATION:
        raise InvalidEndpoint(
            "Both secrets are good for at most 30 days.",
            faults=[Fault("/overlap_hours", "out_of_range", "0 to 720 hours")],
        )
    secret = new_secret()
    locked = lock(endpoint)
    keep(endpoint=locked, secret=secret, at=at, overlap=overlap)
    return secret


@db.inside_transaction
def lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return (
        WebhookEndpoint.objects.select_for_update(of=("self",))
        .select_related("merchant")
        .get(merchant=endpoint.merchant_id, pk=endpoint.pk)
    )


@db.inside_transaction
def keep(
    *,
    endpoint: WebhookEndpoint,
    at: datetime,
    secret: str = "",
    secret_name: str = "",
    overlap: timedelta = ROTATION,
) -> WebhookEndpoint:
    """
    Save an endpoint, with a new secret if one is given: the one before stays good during `overlap`.

    :raises InvalidEndpoint: what it says cannot be an endpoint
    """
    check(endpoint)
    before = secrets.open(endpoint.secret_sealed) if endpoint.secret_sealed else ""
    if secret and secret != before:
        check_secret(secret)
        if before:
            endpoint.previous_sealed, endpoint.previous_until = endpoint.secret_sealed, at + overlap
        endpoint.secret_sealed = secrets.seal(secret)
        endpoint.secret_name = secret_name
    if not endpoint.secret_sealed:
        raise _wrong("/secret", "an endpoint needs a secret")
    endpoint.save()
    WISHES.changed()
    return endpoint


@db.inside_transaction
def switch(endpoint: WebhookEndpoint, *, is_on: bool, at: datetime, reason: str = "staff") -> None:
    """Switch an endpoint, without saving it. Switching on forgives: three days begin anew."""
    if is_on == endpoint.is_on:
        return
    endpoint.is_on = is_on
    endpoint.disabled_at = None if is_on else at
    endpoint.disabled_reason = "" if is_on else reason
    endpoint.failing_since = endpoint.notified_at = None


def check(endpoint: WebhookEndpoint) -> None:
    """
    Refuse what cannot be an endpoint. An address whose name is unknown right now is taken.

    :raises InvalidEndpoint: with a pointer
    """
    if not endpoint.url or len(endpoint.url) > 500:
        raise _wrong("/url", "the address is empty or longer than 500 letters")
    try:
        outward.judge(endpoint.url)
    except outward.Forbidden as refusal:
        raise InvalidEndpoint(
            str(refusal), faults=[Fault("/url", outward.Forbidden.code, str(refusal))]
        ) from refusal
    except outward.Unreachable:
        pass  # a receiver may be set up tomorrow; the address is judged again each time
    if not isinstance(endpoint.kinds, list) or not 1 <= len(endpoint.kinds) <= 50:
        raise _wrong("/kinds", "one to fifty kinds of events are needed, like points.*")
    for place, one in enumerate(endpoint.kinds):
        if not isinstance(one, str) or not kinds.is_pattern(one):
            raise _wrong(f"/kinds/{place}", f"there is no event {one!r}"[:120])
    for problem in (*payloads.wrong_filters(endpoint.filters), *payloads.wrong_mapping(endpoint.mapping)):
        raise _wrong(*problem)


def check_secret(secret: str) -> None:
    """:raises InvalidEndpoint: it is not `whsec_` and base64 of 24 to 64 bytes"""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        Webhook(secret)
    except (ValueError, RuntimeError):
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise _wrong("/secret", "a secret is whsec_ and base64 of 24 to 64 bytes")


def new_secret() -> str:
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def good_secrets(endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    """Return the secrets that sign at this time: while one is rotated two, the new one first."""
    found = [secrets.open(endpoint.secret_sealed)]
    if endpoint.previous_sealed and endpoint.previous_until and at < endpoint.previous_until:
        found.append(secrets.open(endpoint.previous_sealed))
    return found


def _wrong(pointer: str, detail: str) -> InvalidEndpoint:
    return InvalidEndpoint(
        f"{detail[0].upper()}{detail[1:]}.", faults=[Fault(pointer, "invalid_endpoint", detail)]
    )
