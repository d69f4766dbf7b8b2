"""
The pages of a shop, and what a browser may tell about a visitor there.

What a browser says anybody can say: it is noted for an anonymous id, in four kinds and nothing else. Who the
visitor is counts only when the shop's server signed it: HMAC-SHA-256 with the site's secret over the anonymous
id, the system of the outside id and the outside id, joined by line feeds.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from customers import identifiers, touchpoints
from customers.identifiers import Given
from customers.models import Site
from customers.touchpoints import IDENTIFY, Noted, Told
from lib import db
from lib import secrets as sealed
from lib.errors import DomainError, Fault, Malformed, Refused
from merchants.models import Merchant

KINDS = ("page.viewed", "product.viewed", "basket.updated", "checkout.started", IDENTIFY)
CHANNEL = "web"
LONGEST_AGO = timedelta(hours=24)
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?")


class NotAnOrigin(Malformed):
    code = "not_an_origin"


class NotSigned(Refused):
    """A visitor was named without the shop's signature, or as somebody who is not here."""

    code = "not_signed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing a browser told, `ago` before it told it: no clock of a visitor is believed."""

    kind: str
    reference: str
    ago: timedelta = timedelta(0)
    data: dict[str, Any] = field(default_factory=dict)
    external_id: str = ""
    source: str = ""
    signature: str = ""


@db.command
def issue(
    *, merchant: Merchant, name: str, origins: Sequence[str], at: datetime, by: str = ""
) -> tuple[Site, str]:
    """
    Make a site and return it with its secret, which is shown this once.

    :raises NotAnOrigin: none, or one that is not like https://shop.example
    """
    secret = f"ss_{secrets.token_urlsafe(32)}"
    site = Site.objects.create(
        merchant=merchant,
        name=name,
        key=f"pk_{secrets.token_urlsafe(18)}",
        origins=_origins(origins),
        secret_sealed=sealed.seal(secret),
        created_at=at,
        created_by=by,
    )
    return site, secret


@db.command
def revoke(*, site: Site, at: datetime) -> None:
    """Close a site for ever, at once. Repeating keeps the first time."""
    Site.objects.filter(pk=site.pk, revoked_at=None).update(revoked_at=at)
    site.refresh_from_db(fields=["revoked_at"])


def find(key: str) -> Site | None:
    """Return the site of a key, None when it opens nothing: unknown, revoked, or its merchant is closed."""
    found = Site.objects.select_related("merchant").filter(key=key, revoked_at=None).first()
    return found if found is not None and found.merchant.is_active else None


def signature(*, secret: str, anonymous_id: str, external_id: str, source: str = "") -> str:
    """Return what the shop's server puts into its page so that an `identify` is believed."""
    said = "\n".join((anonymous_id, source, external_id))
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


def tell(*, site: Site, anonymous_id: str, seen: Sequence[Seen], at: datetime) -> list[Noted]:
    """Note what a browser told, with one statement for all; answer each, in order. Telling twice changes nothing."""
    who = _who(site, anonymous_id, [one for one in seen if one.kind == IDENTIFY])
    told: list[Told] = []
    answers: list[Noted | None] = []
    for one in seen:
        try:
            told.append(_told(one, anonymous_id, who, at))
            answers.append(None)
        except DomainError as refusal:
            answers.append(Noted("rejected", error=refusal))
    noted = iter(touchpoints.record_all(merchant=site.merchant, told=told, at=at)) if told else iter(())
    return [answer or next(noted) for answer in answers]


def _told(one: Seen, anonymous_id: str, who: dict[tuple[str, str, str], int], at: datetime) -> Told:
    if one.kind not in KINDS:
        raise touchpoints.ReservedKind(
            f"A page tells {', '.join(KINDS)} only.",
            faults=[Fault("/kind", "reserved_kind", "not one of these")],
        )
    said = Told(
        kind=one.kind,
        occurred_at=at - min(one.ago, LONGEST_AGO),
        channel=CHANNEL,
        anonymous_id=anonymous_id,
        # A till's references are its own: a page can neither take nor guess one.
        reference=f"{CHANNEL}:{anonymous_id}:{one.reference}",
        data=one.data,
    )
    if one.kind != IDENTIFY:
        return said
    customer_id = who.get((one.source, one.external_id, one.signature))
    if customer_id is None:
        raise NotSigned("The signature does not fit, or there is no such customer.")
    return replace(said, customer_id=customer_id, data={})


def _who(site: Site, anonymous_id: str, named: Sequence[Seen]) -> dict[tuple[str, str, str], int]:
    """Return the customers that the shop's server has signed for; nobody is looked up for a false signature."""
    if not named:
        return {}
    secret = sealed.open(site.secret_sealed)
    believed = [
        one
        for one in named
        if one.external_id
        and hmac.compare_digest(
            signature(
                secret=secret, anonymous_id=anonymous_id, external_id=one.external_id, source=one.source
            ).encode(),
            one.signature.encode(),
        )
    ]
    given = [Given("external_id", one.external_id, one.source) for one in believed]
    found = identifiers.resolve(merchant=site.merchant, given=given)
    return {
        (one.source, one.external_id, one.signature): customer_id
        for one, customer_id in zip(believed, found, strict=True)
        if customer_id is not None
    }


def _origins(told: Sequence[str]) -> list[str]:
    found = list(dict.fromkeys(_origin(one) for one in told if one.strip()))
    if not found:
        raise _wrong("")
    return found


def _origin(told: str) -> str:
    parts = urlsplit(told.strip().lower().rstrip("/"))
    if parts.scheme not in ("https", "http") or parts.path or parts.query or parts.fragment:
        raise _wrong(told)
    if not _HOST.fullmatch(parts.netloc):
        raise _wrong(told)
    return f"{parts.scheme}://{parts.netloc}"


def _wrong(told: str) -> NotAnOrigin:
    return NotAnOrigin(
        f"{told!r} is no address of pages: write them like https://shop.example, one in a line.",
        faults=[Fault("/origins", "not_an_origin", "like https://shop.example")],
    )
