"""
The frame of our e-mails: the merchant's name and color around the words, readable by day and by night.

It is written in MJML (`templates/messages/frame.mjml`) and compiled when it is changed, by
`manage.py build_mail`; what is sent is made from the committed HTML.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from lib import colors
from merchants.models import Merchant


def folder() -> Path:
    """Return where the texts and the frame lie."""
    return Path(settings.BASE_DIR) / "templates" / "messages"


def build() -> str:
    """Return the frame compiled from its MJML."""
    import mjml  # type: ignore[import-not-found, import-untyped, unused-ignore]

    source = (folder() / "frame.mjml").read_text(encoding="utf-8")
    # Lines without blanks at their end, so that the committed file stays as it is.
    return "\n".join(line.rstrip() for line in str(mjml.mjml2html(source)).splitlines()) + "\n"


@cache
def source() -> str:
    """Return the compiled frame."""
    return (folder() / "frame.html").read_text(encoding="utf-8")


@cache
def palette(color: str) -> dict[str, str]:
    """Return a merchant's colors, each with enough contrast to what is written in or on it."""
    day, night = colors.day(color), colors.night(color)
    return {
        "fill": day.fill,
        "on_fill": day.on_fill,
        "accent": day.accent,
        "night_fill": night.fill,
        "night_on_fill": night.on_fill,
        "night_accent": night.accent,
    }


def foot(merchant: Merchant, data: Mapping[str, Any]) -> SafeString:
    """Return the small print: who writes, and the way out where there is one. In the active language."""
    address = data.get("unsubscribe_url")
    who = _("You get this from %(shop)s, as a member of its program.") % {"shop": merchant.name}
    if not address:
        return format_html("{}", who)
    return format_html(
        '{}<br><a href="{}">{}</a> · <a href="{}">{}</a>',
        *(who, address, _("Unsubscribe"), data.get("preferences_url", address), _("Choose what you get")),
    )


def plain_foot(merchant: Merchant, data: Mapping[str, Any]) -> str:
    """Return the small print of the plain form."""
    who = _("You get this from %(shop)s, as a member of its program.") % {"shop": merchant.name}
    address = data.get("unsubscribe_url")
    return f"{who}\n{_('Unsubscribe')}: {address}" if address else who
