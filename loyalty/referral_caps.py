"""How many friends pay one referrer: per month and year of the shop's zone. Over it only the friend gets points."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date, datetime

from django.db.models import Q
from django.db.models.functions import Coalesce

from customers.models import Customer, Referral
from loyalty import calendar
from loyalty.lookup import Person
from loyalty.plan import Plan
from loyalty.plan import Referral as Terms
from merchants.models import Merchant

PAID = (Referral.State.QUALIFIED, Referral.State.REWARDED)
Paid = Counter[tuple[int, str]]  # by referrer and period


def periods(plan: Plan, at: datetime) -> tuple[str, str]:
    """Return the month and the year that a time falls in."""
    local = plan.local(at)
    return f"{local:%Y-%m}", f"{local:%Y}"


def paid_before(
    plan: Plan,
    offered: Terms,
    merchant: Merchant,
    referrers: Collection[int],
    people: Mapping[int, Person],
    *,
    at: datetime,
) -> Paid:
    """Count the referrals that paid each referrer this local month and year. Asked behind the accounts' lock."""
    counts: Counter[tuple[int, str]] = Counter()
    if not (offered.cap_per_month or offered.cap_per_year):
        return counts
    ids = {people[number].customer_id for number in referrers}
    year = calendar.midnight(date(plan.local(at).year, 1, 1), plan.zone)
    rows = (
        Referral.objects.filter(
            merchant=merchant, state__in=PAID, referrer_points__gt=0, qualified_at__gte=year
        )
        .filter(Q(referrer__in=ids) | Q(referrer__merged_into__in=ids))
        .annotate(whose=Coalesce("referrer__merged_into", "referrer"))
    )
    for number, when in rows.values_list("whose", "qualified_at"):
        assert when is not None
        counts.update((number, period) for period in periods(plan, when))
    return counts


def refusal(plan: Plan, offered: Terms, referrer: Person, paid: Paid, *, at: datetime) -> str:
    """Return why the referrer gets nothing while the friend does; empty when they get theirs."""
    if referrer.status != Customer.Status.ACTIVE:
        return "referrer_gone"
    month, year = periods(plan, at)
    if offered.cap_per_month is not None and paid[referrer.customer_id, month] >= offered.cap_per_month:
        return "cap_per_month_reached"
    if offered.cap_per_year is not None and paid[referrer.customer_id, year] >= offered.cap_per_year:
        return "cap_per_year_reached"
    return ""
