"""What one customer is worth, on their page."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from customers.admin.panels import PANELS, Panel
from customers.models import Customer
from insights.admin.page import shown
from insights.models import ClvRun, ClvScore

RISKS = ((0.95, _("Probably gone")), (0.5, _("May be leaving: a message now may help")), (0.0, _("Buys on")))


def _value(request: HttpRequest, customer: Customer) -> dict[str, Any] | None:
    score = ClvScore.objects.filter(merchant_id=customer.merchant_id, customer_id=customer.pk).first()
    run = ClvRun.objects.filter(pk=score.run_id).first() if score else None
    if score is None or run is None:
        return {"score": None}
    has_forecast = run.status != ClvRun.Status.HISTORY_ONLY
    risk = next(words for least, words in RISKS if score.at_risk >= least)
    return {
        "score": score,
        "run": run,
        "historic": shown(score.historic_minor, run.currency),
        "predicted": shown(score.value_minor, run.currency) if has_forecast else say("Too few buyers yet"),
        "risk": risk if has_forecast else "–",
        "chance": f"{1 - score.at_risk:.0%}" if has_forecast else "",
    }


PANELS.append(
    Panel(
        "value",
        _("Value"),
        "admin/insights/customer.html",
        "insights.view_clvrun",
        order=15,
        is_side=True,
        context=_value,
    )
)
