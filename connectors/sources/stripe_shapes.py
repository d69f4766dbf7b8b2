"""How Stripe writes ids, money, people and lines, over the versions of its API."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from connectors.sources.base import Item, Unreadable, Who
from lib import money

Shape = Mapping[str, Any]

# https://docs.stripe.com/currencies: amounts are in the smallest unit, but not always in ISO's.
ZERO_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
THREE_DECIMALS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))


@cache
def _shift(currency: str) -> int:
    # ISK and UGX have no decimals, yet Stripe counts them in hundredths: only the lists above say how.
    stripes = 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    return money.minor_digits(currency) - stripes


def minor(amount: int, currency: str) -> int:
    """Return Stripe's amount in our minor units: 500 is 5 Icelandic krónur, and 500 yen."""
    shift = _shift(currency)
    if shift == 0:
        return amount
    # The one place where Stripe's money is rounded: half a unit goes up.
    return int(Decimal(amount).scaleb(shift).quantize(Decimal(1), ROUND_HALF_UP))


def currency_of(shape: Shape) -> str:
    """:raises Unreadable: it has none, or one nobody knows."""
    code = shape.get("currency")
    if not isinstance(code, str) or not money.is_known(code.upper()):
        raise Unreadable(f"Stripe named the currency {code!r}, which is not an ISO 4217 code.")
    return code.upper()


def whole(shape: Shape, name: str) -> int:
    """:raises Unreadable: the amount is not there, or not a whole number."""
    amount = shape.get(name)
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise Unreadable(f"The {shape.get('object', 'object')} has no whole number in `{name}`.")
    return amount


def maybe(shape: Shape | None, name: str) -> int:
    """Return the amount, 0 where it is left out."""
    amount = shape.get(name) if isinstance(shape, dict) else None
    return amount if isinstance(amount, int) and not isinstance(amount, bool) else 0


def text(shape: Shape | None, name: str) -> str:
    """Return the text, "" where it is left out."""
    value = shape.get(name) if isinstance(shape, dict) else None
    return value if isinstance(value, str) else ""


def part(shape: Shape, name: str) -> Shape:
    """Return the object inside, empty where it is left out."""
    value = shape.get(name)
    return value if isinstance(value, dict) else {}


def listed(shape: Shape, name: str) -> list[Shape]:
    """Return the objects of a list, whether plain or wrapped as Stripe's `list` object."""
    value = shape.get(name)
    if isinstance(value, dict):
        value = value.get("data")
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def id_of(shape: Shape, name: str) -> str:
    """Return an id, whether the object was expanded or not; "" where it is left out."""
    value = shape.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def own_id(shape: Shape) -> str:
    """:raises Unreadable: it has none."""
    value = shape.get("id")
    if not isinstance(value, str) or not value:
        raise Unreadable(f"The {shape.get('object', 'object')} has no id.")
    return value


def ids(*candidates: str) -> tuple[str, ...]:
    """Return the ids that are there, each once, in order."""
    return tuple(dict.fromkeys(one for one in candidates if one))


def time_of(seconds: Any) -> datetime | None:
    """Return a time Stripe gave in seconds; None where it gave none that a calendar knows."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def who(shape: Shape, *contacts: Shape) -> Who:
    """
    Return the person of an object: what the shop calls them, Stripe's customer, e-mail, phone.

    `contacts` are the parts of the object that may hold an e-mail, a phone and a name, the best first.
    """
    given: list[tuple[str, str, str]] = []
    for named in (text(part(shape, "metadata"), "loyalty_customer"), text(shape, "client_reference_id")):
        if named:
            given.append(("own", named, ""))
    if customer := id_of(shape, "customer") or id_of(shape, "customer_account"):
        given.append(("external_id", customer, "stripe"))
    for kind in ("email", "phone"):
        found = next((value for one in contacts if (value := text(one, kind))), "")
        if found:
            given.append((kind, found, ""))
    name = next((value for one in contacts if (value := text(one, "name"))), "")
    return Who(tuple(dict.fromkeys(given)), name=name[:120])


def goods_and_shipping(
    *, currency: str, total: int, tax: int, shipping: int, shipping_tax: int = 0, tip: int = 0
) -> tuple[Item, ...]:
    """Return a sale of Stripe's amounts as lines: what was sold, then what earns nothing."""
    goods = total - shipping - tip
    if goods < 0 or not (shipping or tip or tax):
        return ()
    lines = [Item(minor(goods, currency), id="goods", tax_minor=minor(max(tax - shipping_tax, 0), currency))]
    if shipping:
        shipping_line = minor(shipping, currency)
        lines.append(Item(shipping_line, "shipping", "shipping", tax_minor=minor(shipping_tax, currency)))
    if tip:
        lines.append(Item(minor(tip, currency), "tip", "tip"))
    # Rounded parts may miss the rounded whole by a unit: the goods take the difference.
    missing = minor(total, currency) - sum(line.amount_minor for line in lines)
    if missing:
        first = lines[0]
        lines[0] = Item(first.amount_minor + missing, id="goods", tax_minor=first.tax_minor)
    return tuple(lines)


def invoice_lines(invoice: Shape, *, currency: str, total: int, shipping: int) -> tuple[Item, ...]:
    """
    Return an invoice's own lines, when they are all there and add up to what was paid; else nothing.

    A negative line (an unused part of a plan) cannot be sold, and an invoice partly paid from a balance
    has no lines of its own: then the caller's goods and shipping say it.
    """
    if part(invoice, "lines").get("has_more"):
        return ()
    found = []
    for line in listed(invoice, "lines"):
        added, tax = _line_tax(line)
        off = sum(maybe(one, "amount") for one in listed(line, "discount_amounts"))
        amount = maybe(line, "amount") - off + added
        if amount < 0:
            return ()
        price = part(part(line, "pricing"), "price_details") or part(line, "price")
        quantity = line.get("quantity")
        found.append(
            Item(
                minor(amount, currency),
                id=text(line, "id")[:60],
                quantity=quantity if isinstance(quantity, int) and quantity > 0 else 1,
                sku=id_of(price, "product")[:60],
                name=text(line, "description")[:120],
                category=text(part(line, "metadata"), "category")[:60],
                tax_minor=minor(tax, currency),
            )
        )
    is_whole = sum(item.amount_minor for item in found) == minor(total - shipping, currency)
    return tuple(found) if found and is_whole else ()


def _line_tax(line: Shape) -> tuple[int, int]:
    """Return the tax that is added to a line's amount, and all of its tax."""
    added = tax = 0
    for one in listed(line, "taxes") or listed(line, "tax_amounts"):
        amount = maybe(one, "amount")
        is_inside = one.get("inclusive") is True or one.get("tax_behavior") == "inclusive"
        added, tax = added + (0 if is_inside else amount), tax + amount
    return added, tax
