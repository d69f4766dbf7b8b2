"""Numbers, money and dates as this visitor writes them, and the sentences of the first page."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.numbers import format_decimal
from django.utils import timezone

from lib import money as lib_money

# Countries whose own English is written; elsewhere English is written as in Britain: €12.99, 31 March 2027.
ENGLISH = {"AU", "CA", "GB", "IE", "IN", "NZ", "SG", "US", "ZA"}


@cache
def locale(language: str, country: str) -> str:
    """Return the locale of a language in a country: Portugal and Brazil write money differently."""
    base = language.split("-")[0]
    if base == "en":
        return f"en_{country}" if country in ENGLISH else "en_GB"
    for name in (f"{base}_{country}", "pt_PT" if base == "pt" else base):
        try:
            return str(Locale.parse(name))
        except (UnknownLocaleError, ValueError):
            continue
    return "en_GB"


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


def day(moment: datetime | date, *, locale: str, length: Literal["long", "medium"] = "long") -> str:
    """Return a date like 31 March 2027 (medium: 31 Mar 2027), in the active time zone."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment).date()
    return str(format_date(moment, length, locale=locale))


def month(moment: datetime | date, *, locale: str) -> str:
    """Return a month like March 2027."""
    if isinstance(moment, datetime):
        moment = timezone.localtime(moment).date()
    return str(format_date(moment, "LLLL y", locale=locale))


def clock(moment: datetime, *, locale: str) -> str:
    """Return the time of day, in the active time zone."""
    return str(format_time(timezone.localtime(moment).time(), "short", locale=locale))


def last_moment(ends_at: datetime) -> datetime:
    """Return a moment of the last day before an end: ends are exclusive, mostly the midnight after it."""
    return ends_at - timedelta(microseconds=1)
