"""A flow with a hundred thousand customers due at once, and a second one that must not wait for them."""

import time
from datetime import UTC, datetime, timedelta

from django.db import transaction

from bench.shop import Shop
from engagement import flows
from engagement.flows import document
from engagement.models import Flow, FlowRun, FlowVersion
from lib import db, public_ids
from loyalty.models import Membership

FLOW = {
    "id": "bench",
    "name": "Bench",
    "trigger": {"touchpoint": "bench.done"},
    "steps": [
        {"message": {"template": "welcome", "channels": ["email"], "purpose": "service"}},
        {"note": "end"},
    ],
}
ROWS = 10_000


def run(shop: Shop, *, many: int) -> float:
    """Make `many` runs due, move them all; return steps per second. The newer flow must be done in the first round."""
    at = datetime.now(UTC)
    big, small = _due(shop, "bench-big", many, at), _due(shop, "bench-small", 10, at)
    started = time.perf_counter()
    moved = flows.step_due(at=at)
    left = FlowRun.objects.filter(flow=small, state="waiting").count()
    if left:
        raise RuntimeError(f"{left} runs of a newer flow wait behind those of an older one")
    while count := flows.step_due(at=at):
        moved += count
    seconds = time.perf_counter() - started
    undone = FlowRun.objects.filter(flow__in=(big, small)).exclude(state="done").count()
    if moved != many + 10 or undone:
        raise RuntimeError(f"{moved} of {many + 10} runs moved, {undone} are not done")
    FlowRun.objects.filter(flow__in=(big, small)).update(key="")
    return moved * len(FLOW["steps"]) / seconds


def _due(shop: Shop, slug: str, many: int, at: datetime) -> Flow:
    wanted = document.read({**FLOW, "id": slug})
    flow = flows.publish(merchant=shop.merchant, wanted=wanted, at=at, by="bench")
    flows.switch(flow=flow, on=True, at=at, by="bench")
    version = FlowVersion.objects.get(flow=flow, number=flow.version)
    people = list(
        Membership.objects.filter(merchant=shop.merchant).values_list("customer_id", flat=True)[:many]
    )
    for start in range(0, many, ROWS):
        ids = public_ids.new_many(min(ROWS, many - start))
        with transaction.atomic():
            db.insert(
                FlowRun,
                [
                    {
                        "id": number,
                        "merchant_id": shop.merchant.pk,
                        "flow_id": flow.pk,
                        "version_id": version.pk,
                        "customer_id": people[(start + place) % len(people)],
                        "key": f"{number}",
                        "data": {},
                        "state": "waiting",
                        "step": "1",
                        "phase": "",
                        "gives": False,
                        "due_at": at - timedelta(seconds=1),
                        "arm": "",
                        "ended_reason": "",
                        "began_at": at,
                        "started_at": at,
                        "ended_at": None,
                        "goal_until": None,
                        "goal_at": None,
                    }
                    for place, number in enumerate(ids)
                ],
            )
    return flow
