"""
The statement: every movement of a customer's points with its reason in plain words.

An entry keeps its reason as data; the sentence is made when it is read, in the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.translation import gettext, gettext_lazy, ngettext

from customers.models import Customer
from lib import money
from loyalty import ledger
from loyalty.models import Membership

if TYPE_CHECKING:
    from loyalty.models.ledger import Entry

Reason = dict[str, Any]


def entries(*, customer: Customer, program_id: int | None = None) -> Any:
    """Return the queryset of a customer's entries, newest first. No entry is ever changed."""
    memberships = Membership.objects.filter(merchant=customer.merchant_id, customer=customer)
    if program_id is not None:
        memberships = memberships.filter(program_id=program_id)
    return ledger.entries(
        merchant_id=customer.merchant_id, memberships=memberships.values_list("pk", flat=True)
    )


def sentence(entry: Entry, *, language: str, points_name: str) -> str:
    """Return why an entry moved points, as a sentence for the customer: `You bought for €12.99.`"""
    with translation.override(language):
        reason = entry.reason
        tell = _SENTENCES.get(str(reason.get("code", "")))
        return tell(entry, reason, language, points_name) if tell else str(entry.get_kind_display())


def details(entry: Entry, *, language: str, points_name: str) -> list[str]:
    """Return how the points of an earn entry came about, a line per rule: the answer to "Why 12?"."""
    with translation.override(language):
        return [
            _rule_line(item, entry.reason, language, points_name) for item in entry.reason.get("rules", [])
        ]


def why(item: Reason, *, currency: str, language: str = "en", points_name: str = "points") -> str:
    """Return one item of a purchase's `why` as a sentence: what the rule gave, or why it gave nothing."""
    with translation.override(language):
        if item["applied"]:
            return _rule_line(item, {"currency": currency}, language, points_name)
        tell = _NOT.get(str(item["code"]))
        return tell(item) if tell else gettext("Did not apply.")


def _rule_line(item: Reason, reason: Reason, language: str, points_name: str) -> str:
    code = item["code"]
    if code == "per_amount":
        rate = Fraction(*item["rate"])
        amount = money.show(item["basis_minor"], reason.get("currency", "EUR"), language)
        per = money.show(rate.denominator, reason.get("currency", "EUR"), language)
        return gettext("%(amount)s at %(points)s %(name)s per %(per)s: %(total)s") % {
            "amount": amount,
            "points": rate.numerator,
            "name": points_name,
            "per": per,
            "total": item["points"],
        }
    if code == "multiplier":
        factor = _number(Fraction(*item["factor"]), language)
        rule = item["rule"]
        if rule.startswith("tier:"):
            return gettext("×%(factor)s with %(tier)s") % {"factor": factor, "tier": rule[5:]}
        return gettext("×%(factor)s: %(rule)s") % {"factor": factor, "rule": rule}
    return gettext("%(points)s on top: %(rule)s") % {"points": f"+{item['points']}", "rule": item["rule"]}


def _number(value: Fraction, language: str) -> str:
    return str(money.number(float(value), language))


def _purchase(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    amount = money.show(reason["amount_minor"], reason["currency"], language)
    return gettext("Purchase of %(amount)s") % {"amount": amount}


def _refund(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    amount = money.show(reason["amount_minor"], reason["currency"], language)
    return gettext("Refund of %(amount)s") % {"amount": amount}


def _adjust(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    return gettext("Adjusted by the shop: %(reason)s") % {"reason": reason.get("text", "")}


def _before(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    points = f"{reason.get('points', 0):+}"
    if text := reason.get("text"):
        return gettext("Before you were here: %(points)s, %(reason)s") % {"points": points, "reason": text}
    return gettext("Before you were here: %(points)s") % {"points": points}


def _expire(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    count = -entry.points
    return ngettext("%(count)s of your %(name)s expired", "%(count)s %(name)s expired", count) % {
        "count": count,
        "name": points_name,
    }


def _other(text: Any) -> Callable[[Entry, Reason, str, str], str]:
    return lambda entry, reason, *_: str(text) % {"customer": reason.get("other", "")}


def _redeem(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    return gettext("Redeemed: %(reward)s") % {"reward": reason.get("reward", "")}


def _given_back(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    return gettext("Given back: %(reward)s") % {"reward": reason.get("reward", "")}


def _not_handed_over(entry: Entry, reason: Reason, language: str, points_name: str) -> str:
    return gettext("Could not be handed over: %(reward)s") % {"reward": reason.get("reward", "")}


_SENTENCES: dict[str, Callable[[Entry, Reason, str, str], str]] = {
    "purchase": _purchase,
    "refund": _refund,
    "adjust": _adjust,
    "import": lambda *_: gettext("Your points from before"),
    "import_history": _before,
    "expire": _expire,
    "redeem": _redeem,
    "redemption_cancelled": _given_back,
    "redemption_failed": _not_handed_over,
    "activate": lambda *_: gettext("Pending points became usable"),
    "hold_capture": lambda *_: gettext("Used to pay"),
    "return": lambda *_: gettext("Given back with a refund"),
    "refund_undone": lambda *_: gettext("A refund did not go through"),
    "write_off": lambda *_: gettext("The shop let the missing points go"),
    "void": lambda *_: gettext("The purchase was cancelled"),
    "welcome": lambda *_: gettext("Welcome bonus"),
    "birthday": lambda *_: gettext("Happy birthday"),
    "touchpoint": lambda *_: gettext("Thank you"),
    "merge_in": _other(gettext_lazy("From your other account %(customer)s, joined with this one")),
    "merge_out": _other(gettext_lazy("To your account %(customer)s, joined with this one")),
    "unmerge_in": _other(gettext_lazy("Back from the account %(customer)s")),
    "unmerge_out": _other(gettext_lazy("Back to the account %(customer)s, which is its own again")),
    "transfer_in": lambda *_: gettext("Received from another customer"),
    "transfer_out": lambda *_: gettext("Sent to another customer"),
    "referral_friend": lambda *_: gettext("You came with a friend's code"),
    "referral_referrer": lambda *_: gettext("Thank you for bringing a friend"),
    "referral_refunded": lambda *_: gettext("The purchase behind a referral was refunded"),
    "referral_rejected": lambda *_: gettext("The shop did not accept a referral"),
    "perk": lambda _entry, reason, *_: (
        gettext("%(perk)s, for reaching %(tier)s") % {"perk": reason["name"], "tier": reason["tier"]}
    ),
    "perk_taken_back": lambda *_: gettext("A refund undid the level that gave these points"),
    "reinstate": lambda *_: gettext("Expired points given back"),
    "extend": lambda *_: gettext("Kept longer, because we could not reach you"),
    "flow": lambda _entry, reason, *_: str(reason.get("text") or gettext("Thank you")),
}

_NOT: dict[str, Callable[[Reason], str]] = {
    "no_rate_for_currency": lambda item: (
        gettext("No rate for %(currency)s.") % {"currency": item["currency"]}
    ),
    "another_rule_gives_more": lambda _: gettext("Another rule gives more."),
    "another_rule_of_its_group_gives_more": lambda _: gettext("Another rule of its group gives more."),
    "nothing_to_multiply": lambda _: gettext("There is nothing to multiply."),
    "not_on_this_day": lambda _: gettext("Not on this day."),
    "not_on_this_weekday": lambda _: gettext("Not on this day of the week."),
    "not_at_this_time": lambda _: gettext("Not at this time of day."),
    "not_for_this_tier": lambda _: gettext("Not for this tier."),
    "not_in_this_segment": lambda _: gettext("Not for this group of customers."),
    "not_in_this_store": lambda _: gettext("Not in this store."),
    "not_on_this_channel": lambda _: gettext("Not on this channel."),
    "not_on_these_goods": lambda _: gettext("Not on these goods."),
    "amount_too_small": lambda _: gettext("The amount is too small."),
    "not_the_first_purchase": lambda _: gettext("Only on the first purchase."),
    "cap_per_day_reached": lambda _: gettext("Already given as often as it may be today."),
    "cap_per_month_reached": lambda _: gettext("Already given as often as it may be this month."),
    "cap_per_year_reached": lambda _: gettext("Already given as often as it may be this year."),
    "cap_ever_reached": lambda _: gettext("Already given as often as it may be."),
}
