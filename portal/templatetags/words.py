"""Numbers, money and dates the way this visitor writes them: `{% points 1240 %}`, `{% day moment %}`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from django import template

from portal import words

register = template.Library()
Context = template.Context


@register.simple_tag(takes_context=True)
def points(context: Context, number: int) -> str:
    return words.number(number, locale=context["visit"].locale)


@register.simple_tag(takes_context=True)
def signed(context: Context, number: int) -> str:
    return words.signed(number, locale=context["visit"].locale)


@register.simple_tag(takes_context=True)
def money(context: Context, amount_minor: int | Decimal, currency: str = "") -> str:
    visit = context["visit"]
    return words.money(amount_minor, currency or visit.merchant.currency, locale=visit.locale)


@register.simple_tag(takes_context=True)
def day(context: Context, moment: datetime | date, length: Literal["long", "medium"] = "long") -> str:
    return words.day(moment, locale=context["visit"].locale, length=length)


@register.simple_tag(takes_context=True)
def clock(context: Context, moment: datetime) -> str:
    return words.clock(moment, locale=context["visit"].locale)


@register.filter
def get(form: Any, name: str) -> Any:
    """Return a field of a form by its name, for the shared field template."""
    return form[name]


@register.simple_tag(takes_context=True)
def last_day(context: Context, ends_at: datetime) -> str:
    """The last whole day before an end; ends are exclusive, people count to the last day itself."""
    return words.day(words.last_moment(ends_at), locale=context["visit"].locale)
