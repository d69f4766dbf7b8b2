"""Why a rule gave points or did not, in a sentence for whoever stands at the till."""

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from django.utils import translation
from django.utils.translation import gettext

from lib import money
from loyalty import programs, statement
from merchants.models import Merchant


def shown(merchant: Merchant, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the kept reasons of a purchase as they are answered: rule, points, applied, code, reason."""
    items = (row["why"] or {}).get("rules", ())
    if not items:
        return []
    name = programs.current(merchant=merchant, program_id=row["program_id"]).points_name
    return [
        {
            "rule": item["rule"],
            "points": item["points"],
            "applied": item["applied"],
            "code": item["code"],
            "reason": _sentence(item, row["currency"], merchant.language, name),
        }
        for item in items
    ]


def _sentence(item: Mapping[str, Any], currency: str, language: str, points_name: str) -> str:
    if item["code"] == "per_amount" and item["applied"]:
        return _rate(*item["rate"], currency, language, points_name)
    rest = tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in item.items())
    return _other(rest, currency, language, points_name)


# A sentence costs more to write than the sale to award, and the same few are written all day long.
@lru_cache(maxsize=4096)
def _rate(points: int, minor: int, currency: str, language: str, points_name: str) -> str:
    per = Fraction(points, minor)
    with translation.override(language):
        return gettext("%(points)s %(name)s per %(money)s") % {
            "points": per.numerator,
            "name": points_name,
            "money": money.show(per.denominator, currency, language),
        }


@lru_cache(maxsize=4096)
def _other(item: tuple[tuple[str, Any], ...], currency: str, language: str, points_name: str) -> str:
    return statement.why(dict(item), currency=currency, language=language, points_name=points_name)
