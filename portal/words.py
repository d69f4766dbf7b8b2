"""Numbers, money and dates as this visitor writes them, and the sentences of the first page."""

from datetime import date, datetime
from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from django.utils import timezone

from lib import money as lib_money

# Where a language has no form for the merchant's country: English as in Europe, not as in America.
ELSEWHERE = {"en": "en_150", "pt": "pt_PT"}


@cache
def locale(language: str, country: str) -> str:
    """Return the locale of a language in a country: `pt` in Portugal and in Brazil write money differently."""
    base = language.split("-")[0]
    for name in (f"{base}_{country}", ELSEWHERE.get(base, base)):
        try:
            return str(Locale.parse(name))
        except (UnknownLocaleError, ValueError):
            continue
    return "en_150"


def number(count: int, *, locale: str) -> str:
    """Return a whole number with the separators of the locale."""
    return str(format_decimal(count, locale=locale))


def signed(count: int, *, locale: str) -> str:
    """Return a whole number with its sign, and a true minus."""
    sign = "+" if count > 0 else "−" if count < 0 else "±"
    return f"{sign}{number(abs(count), locale=locale)}"


def money(amount_minor: int | Decimal, currency: str, *, locale: str) -> str:
    """Return an amount of minor units as a person writes it; parts of a minor unit are cut off."""
    return lib_money.show(int(amount_minor), currency, locale)


def day(moment: datetime | date, *, locale: str) -> str:
    """Return a date like 31 March 2027, in the active time zone."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment).date()
    return str(format_date(moment, "long", locale=locale))


def month(moment: datetime | date, *, locale: str) -> str:
    """Return a month like March 2027."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment).date()
    return str(format_date(moment, "LLLL y", locale=locale))


def clock(moment: datetime, *, locale: str) -> str:
    """Return the time of day, in the active time zone."""
    return str(format_time(timezone.localtime(moment).time(), "short", locale=locale))
