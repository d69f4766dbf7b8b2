"""Who starts a flow, and who does not: re-entry, holdouts, what happened already. Set-based."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from engagement import experiments
from engagement.flows.document import CUSTOMER, span
from engagement.flows.plan import FlowPlan
from engagement.flows.runs import HELD_OUT, RunState
from lib import db, public_ids

EVERYBODY_KEY = "holdout"


@dataclass(frozen=True, slots=True)
class Offer:
    """A flow as it is now: its newest version, ready, and the merchant's always-on holdout in percent."""

    flow_id: int
    merchant_id: int
    slug: str
    version_id: int
    plan: FlowPlan
    holdout: int


@dataclass(frozen=True, slots=True)
class Start:
    """Somebody who may start a flow, and why."""

    offer: Offer
    customer_id: int
    key: str
    data: Mapping[str, Any]
    began_at: datetime

    @property
    def about(self) -> tuple[int, int, str]:
        return self.customer_id, self.offer.flow_id, self.key


@dataclass(slots=True)
class Before:
    """What earlier runs say: when somebody last started a flow, and whether about the same instance."""

    last: dict[tuple[int, int], datetime] = field(default_factory=dict)
    instances: set[tuple[int, int, str]] = field(default_factory=set)

    def allows(self, start: Start, *, at: datetime) -> bool:
        rule = start.offer.plan.document.reentry
        last = self.last.get((start.customer_id, start.offer.flow_id))
        if start.key != CUSTOMER and start.about in self.instances:
            return False  # the same basket, day or purchase is never told of again
        if last is None or rule == "always":
            return True
        return rule != "never" and at >= last + span(rule)

    def note(self, start: Start, *, at: datetime) -> None:
        self.last[start.customer_id, start.offer.flow_id] = at
        self.instances.add(start.about)


def before(starts: Sequence[Start]) -> Before:
    """Read the earlier runs of those who may start, in one statement."""
    found = Before()
    if not starts:
        return found
    pairs = sorted({start.about for start in starts})
    source, params = db.given({"customer_id": "bigint", "flow_id": "bigint", "key": "varchar"}, pairs)
    rows = db.ask(
        f"""
        SELECT given.customer_id, given.flow_id, given.key, MAX(r.started_at),
               MAX(CASE WHEN r.key = given.key THEN 1 ELSE 0 END)
        FROM {source} JOIN engagement_flowrun r
             ON r.customer_id = given.customer_id AND r.flow_id = given.flow_id
        GROUP BY given.customer_id, given.flow_id, given.key
        """,
        params,
    ).rows
    for customer_id, flow_id, key, last, is_same in rows:
        when = db.time(last)
        assert when is not None
        found.last[customer_id, flow_id] = max(when, found.last.get((customer_id, flow_id), when))
        if is_same:
            found.instances.add((customer_id, flow_id, key))
    return found


def begin(start: Start, *, at: datetime) -> RunState:
    """Return the new run of somebody who starts, or who is held out and only compared with."""
    offer, goal = start.offer, start.offer.plan.document.goal
    run = RunState(
        merchant_id=offer.merchant_id,
        flow_id=offer.flow_id,
        version_id=offer.version_id,
        customer_id=start.customer_id,
        key=start.key,
        data=dict(start.data),
        step=offer.plan.first,
        due_at=at,
        began_at=start.began_at,
        started_at=at,
        goal_until=start.began_at + timedelta(days=goal.days) if goal else None,
        is_new=True,
    )
    if (group := held_out(offer, start.customer_id)) is not None:
        run.end(HELD_OUT, at=at, reason=group)
    return run


def held_out(offer: Offer, customer_id: int) -> str | None:
    """Return why somebody is left out of a marketing flow: the holdout of all flows, or of this one."""
    document, unit = offer.plan.document, str(customer_id)
    if not document.is_marketing:
        return None
    everybody = f"{EVERYBODY_KEY}:{offer.merchant_id}"
    if experiments.is_held_out(key=everybody, unit=unit, share=offer.holdout / 100):
        return "holdout"
    own = f"{EVERYBODY_KEY}:{public_ids.show('flw', offer.flow_id)}"
    return (
        "flow_holdout" if experiments.is_held_out(key=own, unit=unit, share=document.holdout / 100) else None
    )


def over(starts: Iterable[Start]) -> set[tuple[int, int, str]]:
    """
    Return the starts (by `about`) whose exit has happened already: a purchase may be told before its basket.
    """
    watched = [start for start in starts if start.offer.plan.document.exit]
    if not watched:
        return set()
    kinds = sorted({match.touchpoint for one in watched for match in one.offer.plan.document.exit})
    source, params = db.given({"id": "bigint"}, sorted({(one.customer_id,) for one in watched}))
    wanted, names = db.any_of("t.kind", "text", kinds)
    rows = db.ask(
        f"""
        SELECT t.customer_id, t.kind, t.data, t.occurred_at FROM {source}
        JOIN customers_touchpoint t ON t.merchant_id = %s AND t.customer_id = given.id
             AND t.occurred_at >= %s AND {wanted}
        """,
        [*params, watched[0].offer.merchant_id, min(one.began_at for one in watched), *names],
    ).rows
    happened: dict[int, list[tuple[str, Any, datetime]]] = {}
    for number, kind, data, when in rows:
        moment = db.time(when)
        assert moment is not None
        happened.setdefault(number, []).append((kind, db.loaded(data) or {}, moment))
    return {
        start.about
        for start in watched
        for kind, data, when in happened.get(start.customer_id, ())
        if when >= start.began_at
        and (kind, when) != (start.offer.plan.document.trigger.touchpoint, start.began_at)
        and start.offer.plan.exit_of(kind, data, start.key)
    }
