"""Why this many points? The reasons an earn entry carries, as a short bill a customer can add up."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from babel.numbers import format_decimal
from django.utils.translation import gettext as _

from loyalty.plan import Plan
from portal import words

Reason = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """The bill: what is asked, the lines with their amounts, and the sum with its words."""

    question: str
    lines: list[tuple[str, str]]
    makes: str
    total: str


def explain(entry: Any, *, plan: Plan, locale: str) -> Account | None:
    """Return the bill of an entry that earned by rules; None for entries whose sentence says it all."""
    rules = [rule for rule in entry.reason.get("rules") or () if rule.get("applied", True)]
    points = entry.points + entry.pending
    if not rules or points <= 0:
        return None
    currency = str(entry.reason.get("currency") or plan.currency)
    lines: list[tuple[str, str]] = []
    for rule in rules:
        if "rate" in rule:
            lines += _base(rule, rules, currency=currency, locale=locale)
        elif "factor" not in rule:
            lines.append((_named(rule), words.signed(rule["points"], locale=locale)))
    return Account(
        question=_("Why %(points)s?") % {"points": words.number(points, locale=locale)},
        lines=lines,
        makes=_("Makes, in whole points"),
        total=f"{words.number(points, locale=locale)} {plan.points_name}",
    )


def _base(rule: Reason, rules: list[Reason], *, currency: str, locale: str) -> list[tuple[str, str]]:
    """What was paid, the rate, what multiplied it, and the one rounding."""
    rate, basis = Fraction(*rule["rate"]), int(rule["basis_minor"])
    per = {
        "number": words.number(rate.numerator, locale=locale),
        "money": words.money(rate.denominator, currency, locale=locale),
    }
    lines = [
        (_("Paid, as far as it earns"), words.money(basis, currency, locale=locale)),
        (_("%(number)s per %(money)s") % per, _exact(rate * basis, locale)),
    ]
    for other in rules:
        if "factor" in other:
            lines.append((_named(other), f"× {_exact(Fraction(*other['factor']), locale)}"))
    if any("factor" not in other and other is not rule for other in rules):
        lines.append((_("Together, in whole points"), words.signed(rule["points"], locale=locale)))
    return lines


def _named(rule: Reason) -> str:
    """Return a rule's name for customers: what its kind means, else the merchant's own short name for it."""
    code = str(rule["rule"])
    if code.startswith("tier:"):
        return _("Your level %(tier)s") % {"tier": code.removeprefix("tier:")}
    kinds = {
        "per_visit": _("For your visit"),
        "first_purchase": _("Your first purchase"),
        "welcome": _("Welcome"),
        "birthday": _("Happy birthday"),
    }
    plain = code.replace("-", " ").replace("_", " ").strip()
    return kinds.get(str(rule.get("code"))) or plain[:1].upper() + plain[1:]


def _exact(value: Fraction, locale: str) -> str:
    return str(format_decimal(round(float(value), 3), format="#,##0.###", locale=locale))
