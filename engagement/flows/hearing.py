"""
What happened reaches the flows: runs start, go on, end early, reach their goal.

Set-based: a chunk of touchpoints costs a few statements however many flows and customers it concerns,
and one statement at merchants without flows. It runs in the relay's transaction, so that a touchpoint is
heard exactly once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q

from customers.models import Customer, Touchpoint
from customers.wishes import Wishes
from engagement import messages
from engagement.flows import affordable, plan, runs, starts
from engagement.flows.document import CUSTOMER, TOUCHPOINT
from engagement.flows.runs import HEARD, RunState
from engagement.flows.starts import Offer, Start
from engagement.models import Flow, FlowRun
from lib import db
from lib.wake import wake
from loyalty import programs
from merchants.models import Merchant

# What happened longer ago starts nothing: an import of last year's members is no reason to greet them.
STALE = timedelta(days=3)
SEGMENT_ENTERED = "segment.entered"
TIER_CHANGED = "tier.changed"


@dataclass(slots=True)
class Ears:
    """What one merchant's flows listen to."""

    offers: dict[str, list[Offer]] = field(default_factory=lambda: defaultdict(list))
    hears: set[str] = field(default_factory=set)

    def starts_with(self, kind: str) -> Sequence[Offer]:
        return self.offers.get(kind, ())


@dataclass(slots=True)
class Told:
    """A touchpoint with the customer it is about by now."""

    touchpoint: Touchpoint
    customer_id: int

    data: dict[str, Any]


@db.inside_transaction
def on_touchpoints(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Hear what happened, in order: end, continue and start runs, and note the goals that were reached."""
    told: dict[Merchant, list[Told]] = defaultdict(list)
    for one in touchpoints:
        if (number := _whose(one)) is not None:
            told[one.merchant].append(Told(one, number, _data(one)))
    ears = listening([merchant.pk for merchant in told]) if told else {}
    for merchant, heard in told.items():
        if merchant.pk in ears:
            _hear(merchant, ears[merchant.pk], heard, at)


def _whose(one: Touchpoint) -> int | None:
    customer = one.customer
    if customer is None or customer.status in (Customer.Status.ERASED, Customer.Status.BLOCKED):
        return None
    return customer.merged_into_id or customer.pk


def _data(one: Touchpoint) -> dict[str, Any]:
    """Return what a touchpoint says; of a tier that changed also whether it went up or down."""
    data = dict(one.data) if isinstance(one.data, dict) else {}
    if one.kind == TIER_CHANGED:
        try:
            tiers = programs.current(merchant=one.merchant).tiers
        except programs.NoProgram:
            return data
        is_up = tiers.rank(str(data.get("to"))) > tiers.rank(str(data.get("from")))
        data["direction"] = "up" if is_up else "down"
    return data


def listening(merchants: Sequence[int]) -> dict[int, Ears]:
    """Return what the flows of these merchants listen to, in one statement; older versions for what still runs."""
    wanted, params = db.any_of("f.merchant_id", "bigint", list(merchants))
    rows = db.ask(
        f"""
        SELECT f.merchant_id, f.id, f.slug, f.is_on, v.number = f.version, v.id, COALESCE(h.percent, 0)
        FROM engagement_flow f
        JOIN engagement_flowversion v ON v.flow_id = f.id
        LEFT JOIN engagement_holdout h ON h.merchant_id = f.merchant_id
        WHERE {wanted} ORDER BY f.id, v.number
        """,
        params,
    ).rows
    found: dict[int, Ears] = defaultdict(Ears)
    for merchant_id, flow_id, slug, is_on, is_newest, version_id, percent in rows:
        ears, ready = found[merchant_id], runs.plan_of(version_id)
        ears.hears |= ready.hears
        if is_on and is_newest:
            offer = Offer(flow_id, merchant_id, slug, version_id, ready, percent)
            for kind in _kinds(offer):
                ears.offers[kind].append(offer)
    return found


def _learn() -> dict[int, frozenset[str]]:
    """Return what flows want to hear of: those that are on, and those that ran, whose goals may come yet."""
    ever = FlowRun.objects.filter(flow=OuterRef("pk"))
    mine = Flow.objects.filter(version__gt=0).filter(Q(is_on=True) | Exists(ever))
    found: dict[int, frozenset[str]] = {}
    for merchant_id, ears in listening(list(mine.values_list("merchant_id", flat=True).distinct())).items():
        found[merchant_id] = frozenset(ears.hears) | frozenset(ears.offers)
    return found


WISHES = Wishes(_learn)


def is_wanted(merchant_id: int, kind: str) -> bool:
    """Tell whether some flow of the merchant wants this kind. A new one hears from a few seconds later on."""
    return WISHES.has(merchant_id, kind)


def _kinds(offer: Offer) -> Iterable[str]:
    trigger = offer.plan.document.trigger
    if trigger.touchpoint is not None:
        return (trigger.touchpoint,)
    if trigger.segment is not None:
        return (SEGMENT_ENTERED,)
    return affordable.KINDS if trigger.reward_affordable is not None else ()


def _hear(merchant: Merchant, ears: Ears, heard: Sequence[Told], at: datetime) -> None:
    heard = [
        one for one in heard if one.touchpoint.kind in ears.hears or ears.starts_with(one.touchpoint.kind)
    ]
    if not heard:
        return
    live = _lock(heard)
    begins = _starts(merchant, ears, heard, at)
    every = [start for some in begins.values() for start in some]
    earlier, over = starts.before(every), starts.over(every)
    for one in heard:
        own = live[one.customer_id]
        for run in own:
            _tell(run, one, at)
        for start in begins.get(one.touchpoint.pk, ()):
            same = next((r for r in own if r.is_live and (r.flow_id, r.key) == start.about[1:]), None)
            if same is not None:
                _again(same, start, at)
            elif start.about not in over and earlier.allows(start, at=at):
                earlier.note(start, at=at)
                own.append(starts.begin(start, at=at))
    _write(merchant, [run for own in live.values() for run in own], at)


def _lock(heard: Sequence[Told]) -> dict[int, list[RunState]]:
    """Return the runs that may hear this, locked: those under way, and ended ones whose goal still counts."""
    source, params = db.given({"id": "bigint"}, sorted({(one.customer_id,) for one in heard}))
    since = min(one.touchpoint.occurred_at for one in heard)
    rows = db.ask(
        f"""
        SELECT {runs.PICK} FROM {source} JOIN engagement_flowrun r ON r.customer_id = given.id
        WHERE (r.state = 'waiting' OR (r.goal_at IS NULL AND r.goal_until >= %s)) ORDER BY r.id
        """
        + db.for_update("r"),
        [*params, since],
    ).rows
    found: dict[int, list[RunState]] = defaultdict(list)
    for run in runs.read(rows):
        found[run.customer_id].append(run)
    return found


def _starts(merchant: Merchant, ears: Ears, heard: Sequence[Told], at: datetime) -> Mapping[int, list[Start]]:
    """Return who may start what, by touchpoint."""
    found: dict[int, list[Start]] = defaultdict(list)
    enough = affordable.Enough(merchant, at)
    for one in heard:
        touchpoint = one.touchpoint
        if touchpoint.occurred_at < at - STALE:
            continue
        for offer in ears.starts_with(touchpoint.kind):
            trigger = offer.plan.document.trigger
            key, data = "", one.data
            if trigger.touchpoint is not None and plan.holds(trigger.where, data):
                key = _key(trigger.key, touchpoint, data)
            elif trigger.segment is not None and data.get("segment") == trigger.segment:
                key = CUSTOMER
            elif trigger.reward_affordable is not None:
                key, data = enough.newly(one.customer_id, data, among=[each.customer_id for each in heard])
            if key and not _is_own_echo(offer, data):
                found[touchpoint.pk].append(Start(offer, one.customer_id, key, data, touchpoint.occurred_at))
    return found


def _key(field_name: str, touchpoint: Touchpoint, data: Mapping[str, Any]) -> str:
    if field_name == TOUCHPOINT:
        return touchpoint.public_id
    return CUSTOMER if field_name == CUSTOMER else plan.text(data.get(field_name))[:200]


def _is_own_echo(offer: Offer, data: Mapping[str, Any]) -> bool:
    # What a flow gave may start others, but none that give something again: two could pay each other for ever.
    return "flow" in data and (
        data["flow"] == offer.slug or any(move.verb in plan.GIVING for move in offer.plan.moves.values())
    )


def _tell(run: RunState, one: Told, at: datetime) -> None:
    """Let a run hear a touchpoint: its goal, its exit, what it waits for."""
    kind, data, when = one.touchpoint.kind, one.data, one.touchpoint.occurred_at
    ready = runs.plan_of(run.version_id)
    if kind not in ready.hears:
        return
    is_since = when >= run.began_at
    is_in_time = run.goal_until is not None and is_since and when <= run.goal_until
    if run.goal_at is None and is_in_time and ready.passes_goal(kind, data, run.key):
        run.goal_at, run.is_changed = when, True
    if not run.is_live:
        return
    exit_by = ready.exit_of(kind, data, run.key)
    if exit_by is not None and (is_since or exit_by.key is not None):
        run.end(runs.EXITED, at=at, reason=kind)
        return
    waits = ready.moves[run.step].step.wait_for
    if (
        waits is not None
        and run.phase == runs.BEGUN
        and is_since
        and plan.is_match(waits, kind, data, run.key)
    ):
        run.rest(HEARD, until=at)


def _again(run: RunState, start: Start, at: datetime) -> None:
    """The same instance again: its first wait begins anew, with what is known now, where the flow wants it."""
    ready = runs.plan_of(run.version_id)
    if ready.document.trigger.restart and run.step == ready.first and start.began_at >= run.began_at:
        run.data, run.began_at = dict(start.data), start.began_at
        run.rest("", until=at)


def _write(merchant: Merchant, touched: Sequence[RunState], at: datetime) -> None:
    changed = [run for run in touched if run.is_changed or run.is_new]
    cut = [run.id for run in changed if run.state == runs.EXITED and not run.is_new]
    is_due = any(run.is_live and run.due_at <= at for run in changed)
    runs.write(changed)
    if cut:
        messages.withdraw(merchant=merchant, at=at, flow_run_ids=cut)
    if is_due:
        wake("engagement.tasks.step")
