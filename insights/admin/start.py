"""What the start page says about customer value and negative churn."""

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext as say

from insights import churn, snapshots
from insights.admin.page import percent, shown
from lib.admin import Ids, within
from lib.start_page import Figure, part
from merchants.models import Merchant


def _only(ids: Ids) -> Merchant | None:
    """Return the reader's merchant if there is one only: percentages of several do not add up."""
    found = list(within(Merchant.objects.filter(is_active=True), ids)[:2])
    return found[0] if len(found) == 1 else None


@part("figures", permission="insights.view_retentionsnapshot", order=60)
def net_churn(ids: Ids) -> Iterable[Figure]:
    merchant = _only(ids)
    rows = churn.stored(merchant=merchant, dimension="total", length=365) if merchant else []
    if rows:
        parts = rows[0].parts
        is_telling = parts.is_telling and rows[0].is_covered(churn.begins(merchant=rows[0].merchant))
        value = percent(parts.net_churn if is_telling else None)
        if not is_telling:
            note = say("too early to say")
        elif (parts.net_churn or 0) < 0:
            note = say("negative: customers who stayed grew by more than was lost")
        else:
            note = say("365 days")
        yield Figure(say("Net churn"), value, note, reverse("admin:insights_retentionsnapshot_changelist"))


@part("figures", permission="insights.view_clvrun", order=61)
def customer_value(ids: Ids) -> Iterable[Figure]:
    merchant = _only(ids)
    run = snapshots.latest(merchant) if merchant else None
    if run is not None:
        has_forecast = run.status != "history_only"
        value = shown(run.value_minor if has_forecast else run.historic_minor, run.currency)
        note = say("expected in 12 months") if has_forecast else say("so far; too early for a forecast")
        yield Figure(say("Customer value"), value, note, reverse("admin:insights_clvrun_changelist"))
