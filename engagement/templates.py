"""
Texts of messages: the merchant's own, or else what we ship, filled in by Liquid.

What we ship lies in `templates/messages/<name>/<channel>.<language>.liquid`: a line `Subject: …`, an empty
line, and the body in the marks of `engagement.markup` (an SMS has no subject). `sample.json` beside them
gives each value a name and an example: these are the names a merchant's own text may use. Push and inbox
messages without a text of their own are said in the e-mail's words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError

from customers.models import Customer
from engagement import frame, markup
from engagement.models import Template
from lib.errors import Fault, Malformed, NotFound
from merchants.models import Merchant

LANGUAGE = "en"
# Channels that may use another's words where they have none of their own.
IN_WORDS_OF = {"email": ("email",), "sms": ("sms",)}
OTHERS = ("email",)
SHORTEST_SUBJECT = 200


class UnknownTemplate(NotFound):
    code = "unknown_template"


class InvalidTemplate(Malformed):
    """The text does not fill in: the faults say where."""

    code = "invalid_template"


@dataclass(frozen=True, slots=True)
class Words:
    """A text before it is filled in."""

    subject: str
    body: str


Own = Mapping[tuple[str, str, str], Words]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text filled in: `html` is a whole document, `short` fits an SMS or a notice on a screen."""

    subject: str
    html: str
    text: str
    short: str


class _Liquid(Environment):
    # A text of a merchant's may be wrong, but must not hold a worker up or fill its memory.
    loop_iteration_limit = 1_000
    output_stream_limit = 200_000
    local_namespace_limit = 100_000


_HTML = _Liquid(undefined=StrictUndefined, autoescape=True)
_TEXT = _Liquid(undefined=StrictUndefined)


def render(
    template: Template | str,
    customer: Customer,
    data: Mapping[str, Any],
    *,
    channel: str = "email",
    own: Own | None = None,
) -> Rendered:
    """
    Fill a text in for a customer, in their language.

    :param template: a merchant's own text, or the name of one (then the best one is found)
    :param own: the merchant's own texts (`of`), where many messages are written one after another
    :param data: flat values; name, first_name, merchant_name and portal_url are always there
    :raises UnknownTemplate: there is no text of this name
    :raises InvalidTemplate: a value that the text names is missing
    """
    language = language_of(customer)
    words = (
        Words(template.subject, template.body)
        if isinstance(template, Template)
        else find(template, customer.merchant, channel=channel, language=language, own=own)
    )
    channel = template.channel if isinstance(template, Template) else channel
    values = {**about(customer), **data}
    return fill(words, merchant=customer.merchant, language=language, data=values, channel=channel)


def fill(
    words: Words, *, merchant: Merchant, language: str, data: Mapping[str, Any], channel: str = "email"
) -> Rendered:
    """
    Fill a text in with these values.

    :raises InvalidTemplate: a value that the text names is missing, or the text is no Liquid
    """
    data = {**frame.palette(merchant.color), **data}
    try:
        text = markup.tidy(_parsed(markup.to_text(words.body)).render(**data))
        subject = " ".join(_parsed(words.subject).render(**data).split())[:SHORTEST_SUBJECT]
        content = markup.safe_links(_parsed(markup.to_html(words.body), is_html=True).render(**data))
    except LiquidError as error:
        raise InvalidTemplate(str(error), faults=[Fault("/body", "invalid_template", str(error))]) from error
    words_only = Rendered(subject, content, text, subject or text)
    with translation.override(language):
        return replace(
            words_only,
            html=_framed(words_only, merchant=merchant, data=data, language=language),
            text=_with_foot(text, channel=channel, merchant=merchant, data=data),
        )


def about(customer: Customer) -> dict[str, Any]:
    """Return the values that every text may use."""
    merchant = customer.merchant
    name = " ".join(customer.name.split())
    return {
        "name": name,
        "first_name": name.partition(" ")[0],
        "merchant_name": merchant.name,
        "portal_url": f"{settings.BASE_URL}/{merchant.slug}",
    }


def language_of(customer: Customer) -> str:
    """Return the language to write in: theirs, else the merchant's, of those we speak."""
    spoken = {code for code, _name in settings.LANGUAGES}
    for language in (customer.language, customer.merchant.language):
        if language.partition("-")[0] in spoken:
            return language.partition("-")[0]
    return LANGUAGE


def of(merchant: Merchant) -> Own:
    """Return a merchant's own texts. One statement."""
    rows = Template.objects.filter(merchant=merchant, is_active=True)
    return {(row.name, row.channel, row.language): Words(row.subject, row.body) for row in rows}


def find(name: str, merchant: Merchant, *, channel: str, language: str, own: Own | None = None) -> Words:
    """
    Return the best text: the merchant's own first, then what we ship; the customer's language first.

    :raises UnknownTemplate: there is none
    """
    languages = list(dict.fromkeys((language, merchant.language, LANGUAGE)))
    channels = IN_WORDS_OF.get(channel, (channel, *OTHERS))
    own = of(merchant) if own is None else own
    for one in channels:
        for tongue in languages:
            if (words := own.get((name, one, tongue))) is not None:
                return words
    for one in channels:
        for tongue in languages:
            if (words := shipped(name, one, tongue)) is not None:
                return words
    raise UnknownTemplate(
        _("There is no text %(name)s for %(channel)s.") % {"name": name, "channel": channel}
    )


@cache
def shipped(name: str, channel: str, language: str) -> Words | None:
    """Return a text we ship, None where there is none."""
    place = frame.folder() / name / f"{channel}.{language}.liquid"
    if not place.is_file():
        return None
    text = place.read_text(encoding="utf-8")
    head, _gap, body = text.partition("\n\n")
    if not head.startswith("Subject:"):
        return Words("", text.strip())
    return Words(head.removeprefix("Subject:").strip(), body.strip())


@cache
def sample(name: str) -> dict[str, Any]:
    """Return an example of each value that texts of this name may use; of an unknown name, of every one."""
    place = frame.folder() / name / "sample.json"
    if place.is_file():
        return dict(json.loads(place.read_text(encoding="utf-8")))
    found: dict[str, Any] = {}
    for other in sorted(frame.folder().glob("*/sample.json")):
        found |= json.loads(other.read_text(encoding="utf-8"))
    return found


@cache
def names() -> list[str]:
    """Return the names of the texts we ship."""
    return sorted({place.parent.name for place in frame.folder().glob("*/*.liquid")})


def check(template: Template) -> None:
    """
    Try a text with the examples.

    :raises InvalidTemplate: it is no Liquid, or names a value that is never there
    """
    merchant = template.merchant
    customer = Customer(merchant=merchant, name="Ana Lima")
    data = {**about(customer), **sample(template.name)}
    words = Words(template.subject, template.body)
    fill(words, merchant=merchant, language=template.language, data=data, channel=template.channel)


@lru_cache(maxsize=2048)
def _parsed(text: str, is_html: bool = False) -> BoundTemplate:
    return (_HTML if is_html else _TEXT).from_string(text)


def _framed(rendered: Rendered, *, merchant: Merchant, data: Mapping[str, Any], language: str) -> str:
    """Return the whole document around the words."""
    values = {
        **frame.palette(merchant.color),
        "subject": rendered.subject,
        "preview": rendered.text.partition("\n\n")[2][:120] or rendered.text[:120],
        "merchant_name": merchant.name,
        "language": language,
        "content": rendered.html,
        "foot": str(frame.foot(merchant, data)),
    }
    return _parsed(frame.source(), is_html=True).render(**values)


def _with_foot(text: str, *, channel: str, merchant: Merchant, data: Mapping[str, Any]) -> str:
    if channel == "email":
        return f"{text}\n\n-- \n{frame.plain_foot(merchant, data)}"
    address = data.get("unsubscribe_url")
    if channel == "sms" and address:
        return f"{text}\n{_('Stop: %(address)s') % {'address': address}}"
    return text
