"""What this room keeps about a person, and what erasure does to it."""

from customers.erasure import Holding, Traces
from insights.models import RehearsalRun

LISTS = ("most_gain", "most_lose")


def _leave_rehearsals(traces: Traces) -> None:
    """Take the person out of the lists of who gains and loses most; sums lead to nobody."""
    done = RehearsalRun.objects.filter(merchant=traces.customer.merchant_id, figures__isnull=False)
    for run in done.iterator():
        people = (run.figures or {})["customers"]
        kept = {name: [one for one in people[name] if one["customer"] not in traces.ids] for name in LISTS}
        if any(len(kept[name]) < len(people[name]) for name in LISTS):
            people |= kept
            run.save(update_fields=["figures"])


HOLDINGS = [
    Holding(
        "insights.RehearsalRun",
        "Kept: sums that lead to nobody. The person is taken out of the lists of who gains and loses most.",
        erase=_leave_rehearsals,
    ),
]
