"""
What the start page says about points: figures, the tier mix, what needs attention, the first steps.

Who may see the program sees what the shop earns; at the counter the search is enough.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Count, Sum
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as say

from customers.models import Customer
from lib import money
from lib.admin import Ids, within
from lib.start_page import Alert, Bar, Chart, Figure, Search, Step, part
from loyalty import ledger
from loyalty.models import CustomerDay, EarningRule, Membership, Program, Purchase, Refund, TierSet
from merchants.models import ApiKey, Merchant

MOST = 10_000
MOST_MERCHANTS = 50
DAYS = 30


def _merchants(ids: Ids) -> list[Merchant]:
    return list(within(Merchant.objects.filter(is_active=True), ids)[:MOST_MERCHANTS])


def _bounded(rows: Any) -> int:
    return int(rows.order_by().values("pk")[: MOST + 1].count())


def _shown(count: int) -> str:
    return f"{MOST:,}+" if count > MOST else f"{count:,}"


@part("searches", permission="customers.view_customer")
def find(ids: Ids) -> Iterable[Search]:
    yield Search(
        say("Find a customer"),
        reverse("admin:customers_customer_changelist"),
        say("Card, phone, e-mail or name"),
    )


@part("figures", permission="customers.view_customer", order=10)
def customers(ids: Ids) -> Iterable[Figure]:
    rows = within(Customer.objects.filter(status="active"), ids)
    since = timezone.now() - timedelta(days=30)
    yield Figure(
        say("Customers"),
        _shown(_bounded(rows)),
        say("%(count)s joined in 30 days") % {"count": _shown(_bounded(rows.filter(created_at__gte=since)))},
        reverse("admin:customers_customer_changelist"),
    )


@part("figures", permission="loyalty.view_program", order=20)
def outstanding(ids: Ids) -> Iterable[Figure]:
    sums: Counter[str] = Counter()
    for merchant in _merchants(ids):
        sums.update(ledger.totals(merchant_id=merchant.pk))
    note = say("%(pending)s pending, %(debt)s owed") % {
        "pending": f"{sums['pending']:,}",
        "debt": f"{sums['debt']:,}",
    }
    yield Figure(say("Points outstanding"), f"{sums['active']:,}", note)


@part("figures", permission="loyalty.view_program", order=30)
def sales(ids: Ids) -> Iterable[Figure]:
    today = timezone.localdate()
    for days in (7, 30):
        rows = CustomerDay.objects.filter(day__gt=today - timedelta(days=days), day__lte=today)
        if ids is not None:
            rows = rows.filter(merchant_id__in=ids)
        sums = list(rows.values("currency").annotate(orders=Sum("orders"), minor=Sum("revenue_minor")))
        amounts = [
            money.show(row["minor"], row["currency"], translation.get_language() or "en")
            for row in sorted(sums, key=lambda row: -row["minor"])[:3]
        ]
        yield Figure(
            say("Purchases, %(days)s days") % {"days": days},
            f"{sum(row['orders'] for row in sums):,}",
            " · ".join(amounts),
            reverse("admin:loyalty_purchase_changelist"),
        )


@part("charts", permission="loyalty.view_program", order=5)
def per_day(ids: Ids) -> Iterable[Chart]:
    today = timezone.localdate()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    rows = CustomerDay.objects.filter(day__gte=days[0], day__lte=today)
    if ids is not None:
        rows = rows.filter(merchant_id__in=ids)
    orders = dict(rows.order_by().values_list("day").annotate(orders=Sum("orders")))
    most = max(orders.values(), default=0)
    bars = [
        Bar(date_format(day, "MONTH_DAY_FORMAT"), f"{count:,}", round(100 * count / most))
        for day in days
        for count in [orders.get(day, 0)]
        if most
    ]
    title = say("Purchases per day, last %(days)s days") % {"days": DAYS}
    yield Chart(title, bars, say("No purchase in these days."), is_columns=True)


@part("charts", permission="loyalty.view_program", order=10)
def tier_mix(ids: Ids) -> Iterable[Chart]:
    rows = within(Membership.objects.all(), ids).order_by().values("tier").annotate(members=Count("pk"))
    levels = within(TierSet.objects.filter(status="live"), ids).values_list("tiers__name", "tiers__at")
    rank = {name: at for name, at in levels if name}
    mix = sorted(((row["tier"], row["members"]) for row in rows), key=lambda one: rank.get(one[0], -1))
    total = sum(members for _tier, members in mix)
    bars = [
        Bar(tier or say("No tier"), f"{members:,}", round(100 * members / total)) for tier, members in mix
    ]
    yield Chart(say("Tiers"), bars, say("Nobody is a member yet."))


@part("alerts", permission="loyalty.view_purchase", order=10)
def unmatched(ids: Ids) -> Iterable[Alert]:
    count = _bounded(within(Purchase.objects.filter(status="unmatched"), ids))
    if count:
        link = reverse("admin:loyalty_purchase_changelist") + "?status__exact=unmatched"
        yield Alert(say("Purchases wait for their customer"), _shown(count), link)


@part("alerts", permission="loyalty.view_refund", order=20)
def parked(ids: Ids) -> Iterable[Alert]:
    count = _bounded(within(Refund.objects.filter(status="parked"), ids))
    if count:
        link = reverse("admin:loyalty_refund_changelist") + "?status__exact=parked"
        yield Alert(say("Refunds wait for their purchase"), _shown(count), link)


@part("steps", permission="loyalty.change_program", order=10)
def steps(ids: Ids) -> Iterable[Step]:
    def has(rows: Any) -> bool:
        return bool(within(rows, ids).exists())

    yield Step(
        say("Name your program and its points"),
        has(Program.objects.all()),
        reverse("admin:loyalty_program_add"),
    )
    yield Step(
        say("Say how customers earn"),
        has(EarningRule.objects.filter(is_active=True)),
        reverse("admin:loyalty_earningrule_add"),
        say("Most shops begin with one point per euro."),
    )
    yield Step(
        say("Set the tiers and publish them"),
        has(TierSet.objects.filter(status="live")),
        reverse("admin:loyalty_tierset_changelist"),
        say("You see who lands where before anything moves."),
    )
    yield Step(
        say("Make an API key for the till"),
        has(ApiKey.objects.filter(revoked_at=None)),
        reverse("admin:merchants_apikey_add"),
    )
    yield Step(
        say("Enroll the first customer"),
        has(Customer.objects.all()),
        reverse("admin:customers_customer_add"),
    )
    yield Step(
        say("Record the first purchase"),
        has(Purchase.objects.all()),
        "/api/docs",
        say("The reference shows the call to make."),
    )
