"""What conditions and texts may know of customers: asked for many at once, when a step first wants it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import formats, translation

from customers import segments
from customers.models import Customer
from engagement import templates
from engagement.flows.plan import Facts
from lib import money
from loyalty import balances, programs
from loyalty.plan import Plan
from merchants.models import Merchant

MOST_ITEMS = 5


@dataclass(slots=True)
class People:
    """The customers of one chunk, by the id that their runs name. Who was merged is the target."""

    merchant: Merchant
    at: datetime
    found: Mapping[int, Customer]
    _balances: dict[int, dict[str, Any]] | None = None
    _segments: dict[int, frozenset[str]] | None = None
    _plan: Plan | None = field(default=None)

    def facts(self, customer: Customer, *, with_segments: bool) -> Facts:
        """Return what a condition may know of somebody."""
        balance = self.balance(customer)
        return Facts(
            tier=balance["tier"]["name"] or "" if balance else "",
            points=balance["available"] if balance else 0,
            language=templates.language_of(customer),
            segments=self._in(customer) if with_segments else frozenset(),
        )

    def balance(self, customer: Customer) -> dict[str, Any] | None:
        if self._balances is None:
            ids = sorted({one.pk for one in self.found.values()})
            try:
                self._plan = programs.current(merchant=self.merchant)
                self._balances = balances.of_many(merchant=self.merchant, customers=ids, at=self.at)
            except programs.NoProgram:
                self._balances = {}
        return self._balances.get(customer.pk)

    def _in(self, customer: Customer) -> frozenset[str]:
        if self._segments is None:
            ids = sorted({one.pk for one in self.found.values()})
            self._segments = segments.of_customers(merchant_id=self.merchant.pk, customers=ids)
        return self._segments.get(customer.pk, frozenset())

    def words(self, customer: Customer, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a text: flat, as a person of the customer's language writes them."""
        language = templates.language_of(customer)
        said = {name: value for name, value in data.items() if isinstance(value, str | int | float)}
        if "amount_minor" in said and "currency" in said:
            said["amount"] = money.show(int(said["amount_minor"]), str(said["currency"]), language)
        lines = data.get("lines")
        if isinstance(lines, list):
            named = [str(line["name"]) for line in lines if isinstance(line, dict) and line.get("name")]
            said["items"] = ", ".join(named[:MOST_ITEMS])
        for name in ("until", "expires_at"):
            if isinstance(said.get(name), str) and (when := _moment(str(said[name]))) is not None:
                said[name] = self._day(when, language)
        return {**self._standing(customer, language), **said}

    def _standing(self, customer: Customer, language: str) -> dict[str, Any]:
        balance = self.balance(customer)
        missing = {"items": "", "url": "", "amount": ""}
        if balance is None or self._plan is None:
            return (
                missing
                | dict.fromkeys(("balance", "to_next", "expiring_points"), 0)
                | dict.fromkeys(("points_name", "tier", "next_tier", "expiring_on", "perks"), "")
            )
        tier = balance["tier"]
        soonest = next(iter(balance["expiring"]), None)
        level = self._plan.tiers.level(tier["name"] or "")
        return missing | {
            "balance": balance["available"],
            "points_name": self._plan.points_name,
            "tier": tier["name"] or "",
            "next_tier": tier["next"] or "",
            "to_next": self._measure(tier["to_next"], language),
            "expiring_points": soonest["points"] if soonest else 0,
            "expiring_on": self._day(soonest["at"] - timedelta(seconds=1), language) if soonest else "",
            "perks": ", ".join(str(perk.get("name", "")) for perk in level.perks if perk.get("name"))
            if level
            else "",
        }

    def _measure(self, figure: int | None, language: str) -> Any:
        assert self._plan is not None
        if figure is None:
            return 0
        is_money = self._plan.tiers.metric == "spend"
        return money.show(figure, self._plan.currency, language) if is_money else figure

    def _day(self, when: datetime, language: str) -> str:
        with translation.override(language):
            return str(formats.date_format(when.astimezone(self.merchant.zone).date(), "DATE_FORMAT"))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def people(*, merchant: Merchant, customers: Sequence[int], at: datetime) -> People:
    """Return these customers, in one statement."""
    rows = Customer.objects.filter(merchant=merchant, pk__in=set(customers)).select_related("merged_into")
    found = {}
    for one in rows:
        person = one.merged_into or one
        person.merchant = merchant
        found[one.pk] = person
    return People(merchant, at, found)
