"""Money is an integer of minor units (cents) and an ISO 4217 code. Formatting is Babel's."""

from decimal import Decimal
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, get_currency_precision, is_currency


def is_known(currency: str) -> bool:
    """Tell whether `currency` is an ISO 4217 code in capitals."""
    return len(currency) == 3 and currency.isupper() and _is_known(currency)


@cache
def _is_known(currency: str) -> bool:
    return is_currency(currency)


def show(amount_minor: int, currency: str, language: str = "en") -> str:
    """Return the amount as a person writes it: `show(1299, "EUR")` is `€12.99`, yen have no decimals."""
    amount = Decimal(amount_minor).scaleb(-minor_digits(currency))
    return format_currency(amount, currency, locale=_locale(language))


def number(value: float, language: str = "en") -> str:
    """Return a number as a person writes it, with at most three decimals: 1.25, or 1,25 in German."""
    return str(format_decimal(value, format="#,##0.###", locale=_locale(language)))


@cache
def minor_digits(currency: str) -> int:
    """Return how many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD."""
    return int(get_currency_precision(currency))


@cache
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")
