"""
What reaching a level gives: points, or a reward without its cost. Once, and back if a refund undoes it.

It listens to tier changes, refunds and voids, so recording a sale knows nothing of it. What the level gives
is decided behind the lock of the account, like everything that moves points.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q, QuerySet

from customers.models import Touchpoint
from lib import db, public_ids
from loyalty import bonuses, desk, lookup, programs, standing, tier_perks
from loyalty.desk import Desk, Row
from loyalty.ledger import Cause, Grant
from loyalty.lookup import Person
from loyalty.models import TierChange
from loyalty.plan import Plan, Tiers
from loyalty.tier_perks import Perk
from merchants.models import Merchant
from rewards import catalogue, gifts
from rewards.models import PerkGrant, Reward

SOURCE = "program"
Status = PerkGrant.Status


@dataclass(frozen=True, slots=True)
class Due:
    """One rise of one customer, and what the levels that were passed promise for it."""

    told: Touchpoint
    person: Person
    perks: list[Perk]


# --- given ----------------------------------------------------------------------------------------------


def on_tiers(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Hear of tiers that changed and of first purchases, and give what the levels promise on entry."""
    for merchant, told in bonuses.by_merchant(touchpoints).items():
        if not _gives(merchant):
            continue
        plan, people = bonuses.people_of(merchant, told, at=at)
        assert plan is not None
        due = [
            Due(one, people[one.customer_id], perks)
            for one in told
            if one.customer_id in people and (perks := _promised(plan.tiers, one))
        ]
        if due:
            _give_all(merchant, due, at=at)


def _gives(merchant: Merchant) -> bool:
    try:
        return tier_perks.gives_on_entry(programs.current(merchant=merchant).tiers)
    except programs.NoProgram:
        return False


def _promised(tiers: Tiers, told: Touchpoint) -> list[Perk]:
    if told.kind == "customer.converted":
        # Everybody starts in the lowest level: it is reached with the first purchase.
        lowest = tiers.reached(0)
        return tier_perks.entered(tiers, before="", now=lowest.name) if lowest else []
    return tier_perks.entered(tiers, before=told.data.get("from", ""), now=told.data.get("to", ""))


@db.inside_transaction
def _give_all(merchant: Merchant, due: Sequence[Due], *, at: datetime) -> None:
    work = Desk(merchant=merchant, source=SOURCE, at=at, by=SOURCE)
    desk.gather(work, looks=[(one.person, at) for one in due])
    had = _earlier(merchant, {one.person.customer_id for one in due})
    figured = _by_figure(merchant, due)
    rewards = _rewards(work, due)
    rows: list[Row] = []
    for one in due:
        tier = work.standings[one.person.membership_id].tier
        for perk in one.perks:
            own = had.setdefault(one.person.customer_id, [])
            reference = _reference(perk, one.told, own)
            # Who has fallen below it meanwhile, or is in another program's tier, is given nothing.
            if reference is None or work.plan.tiers.rank(tier) < work.plan.tiers.rank(perk.tier):
                continue
            row = _row(work, one, perk, reference) | {"is_by_figure": one.told.pk in figured}
            _give(work, one.person, perk, row, rewards)
            own.append(PerkGrant(**row))
            rows.append(row)
    db.insert(PerkGrant, rows)
    desk.write(work)


def _earlier(merchant: Merchant, customers: Collection[int]) -> dict[int, list[PerkGrant]]:
    """Return what was given to these customers, and to those who were merged into them, by customer."""
    found: dict[int, list[PerkGrant]] = {}
    for one in _of(merchant, customers).select_related("customer"):
        found.setdefault(one.customer.merged_into_id or one.customer_id, []).append(one)
    return found


def _of(merchant: Merchant, customers: Collection[int]) -> "QuerySet[PerkGrant]":
    whose = Q(customer__in=customers) | Q(customer__merged_into__in=customers)
    return PerkGrant.objects.filter(whose, merchant=merchant)


def _by_figure(merchant: Merchant, due: Sequence[Due]) -> set[int]:
    """Return the touchpoints of changes that a figure decided, not staff, a merge or a new set of tiers."""
    members = {one.person.membership_id for one in due}
    changes = TierChange.objects.filter(merchant=merchant, membership__in=members).order_by("at", "id")
    reasons = {(number, to): reason for number, to, reason in changes.values_list(
        "membership_id", "to_tier", "reason"
    )}  # fmt: skip
    return {
        one.told.pk
        for one in due
        if one.told.kind == "tier.changed"
        and reasons.get((one.person.membership_id, one.told.data.get("to"))) == "reached"
    }


def _rewards(work: Desk, due: Sequence[Due]) -> dict[str, Reward]:
    wanted = {perk.reward for one in due for perk in one.perks if perk.reward}
    if not wanted:
        return {}
    rows = Reward.objects.filter(merchant=work.merchant, program_id=work.plan.program_id, code__in=wanted)
    return {reward.code: reward for reward in rows}


def _reference(perk: Perk, told: Touchpoint, had: Sequence[PerkGrant]) -> str | None:
    """Return the name under which a perk is given now; None where the customer has it."""
    own = [one for one in had if one.perk == perk.id]
    if perk.is_each_time:
        reference = f"{perk.id}:{told.public_id}"
        return None if any(one.reference == reference for one in own) else reference
    return None if any(_is_had(one) for one in own) else f"{perk.id}:{len(own) + 1}"


def _is_had(grant: PerkGrant) -> bool:
    """Tell whether somebody had something of it: what came back whole, or was never given, they had not."""
    if grant.status == Status.TAKEN_BACK:
        return grant.taken < grant.points
    return grant.status != Status.MISSED


def _row(work: Desk, one: Due, perk: Perk, reference: str) -> Row:
    level = work.plan.tiers.level(perk.tier)
    return {
        "id": public_ids.new(),
        "merchant_id": work.merchant.pk,
        "customer_id": one.person.customer_id,
        "membership_id": one.person.membership_id,
        "perk": perk.id,
        "kind": perk.kind,
        "name": perk.name,
        "tier": perk.tier,
        "metric": work.plan.tiers.metric,
        "tier_at": level.at if level else 0,
        "points": perk.points,
        "taken": 0,
        "redemption_id": None,
        "is_by_figure": False,
        "status": str(Status.GIVEN),
        "note": "",
        "reference": reference,
        "occurred_at": one.told.occurred_at,
        "created_at": work.at,
        "ended_at": None,
    }


def _give(work: Desk, person: Person, perk: Perk, row: Row, rewards: Mapping[str, Reward]) -> None:
    if perk.kind == tier_perks.POINTS:
        _give_points(work, person, perk, row)
    elif not _give_reward(work, person, perk, row, rewards.get(perk.reward)):
        return
    _note(work, "perk.given", person, row)


def _give_points(work: Desk, person: Person, perk: Perk, row: Row) -> None:
    starts = work.at + timedelta(days=perk.pending_days) if perk.pending_days else None
    ends = work.plan.expiry.ends(starts or work.at, zone=work.plan.zone)
    name = _lot_of(row["id"])
    reason = {"code": "perk", "name": perk.name, "tier": perk.tier, "points": perk.points}
    work.book.earn(
        work.account(person.membership_id),
        [Grant(points=perk.points, rule=name, activates_at=starts, expires_at=ends)],
        cause=Cause(work.at, name, reason=reason, by=work.by),
        kind="bonus",
    )


def _give_reward(work: Desk, person: Person, perk: Perk, row: Row, reward: Reward | None) -> bool:
    """Give the reward, or write down why not: one that has run out must not hold up anybody's tier."""
    try:
        if reward is None:
            raise catalogue.RewardNotAvailable(f"There is no reward {perk.reward}.")
        given = gifts.give(work, person, reward, reference=_lot_of(row["id"]))
    except (catalogue.RewardNotAvailable, catalogue.RewardOutOfStock) as refusal:
        row["status"], row["note"], row["ended_at"] = str(Status.MISSED), str(refusal)[:300], work.at
        return False
    row["redemption_id"] = given.pk
    return True


def _lot_of(number: int) -> str:
    """Return the name by which a grant's lots are found again: they are no purchase's."""
    return f"perk:{public_ids.show(PerkGrant.prefix, number)}"


def _note(work: Desk, kind: str, person: Person, row: Row) -> None:
    data = {name: row[name] for name in ("perk", "name", "kind", "tier", "points")}
    work.note(kind, customer_id=person.customer_id, at=work.at, data=data)


# --- taken back -----------------------------------------------------------------------------------------


def on_refunds(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Hear of refunds and voids, and take back what is unused of what an undone rise had given."""
    for merchant, told in bonuses.by_merchant(touchpoints).items():
        customers = {one.customer_id for one in told if one.customer_id}
        open_ones = _of(merchant, customers).filter(status=Status.GIVEN, is_by_figure=True)
        if grants := list(open_ones.select_related("customer").order_by("pk")):
            _take_back_undone(merchant, grants, at=at)


@db.inside_transaction
def _take_back_undone(merchant: Merchant, grants: Sequence[PerkGrant], *, at: datetime) -> None:
    work = Desk(merchant=merchant, source=SOURCE, at=at, by=SOURCE)
    ids = sorted({one.customer.merged_into_id or one.customer_id for one in grants})
    asked = [(number, None) for number in ids]
    found = lookup.people(merchant=merchant, plan=work.plan, asked=asked, at=at)
    people = {one.customer_id: one for one in found if one is not None}
    desk.gather(work, looks=[(one, at) for one in people.values()], lots=True)
    # Behind the accounts' lock, as everybody takes them: of two refunds the second finds them ended.
    numbers = [one.pk for one in grants]
    rows = PerkGrant.objects.select_for_update(of=("self",)).filter(pk__in=numbers, status=Status.GIVEN)
    locked = [(one, people[one.customer.merged_into_id or one.customer_id]) for one in
              rows.select_related("customer", "redemption").order_by("pk")]  # fmt: skip
    figures = _figures(work.plan, merchant, locked, at=at)
    ended = []
    for grant, person in locked:
        if _is_undone(work.plan, grant, figures.get(person.membership_id, {}), at=at):
            _take(work, person, grant)
            ended.append(grant)
    PerkGrant.objects.bulk_update(ended, ["status", "taken", "ended_at"])
    desk.write(work)


def _figures(
    plan: Plan, merchant: Merchant, grants: Sequence[tuple[PerkGrant, Person]], *, at: datetime
) -> dict[int, dict[date, int]]:
    """Return the figures of now and of the day of each rise, without what was refunded since."""
    today = plan.local(at).date()
    looks = {
        (person.membership_id, person.joined_at, day, day)
        for grant, person in grants
        for day in (plan.local(grant.occurred_at).date(), today)
    }
    asked = standing.ask_figures(plan, merchant_id=merchant.pk, looks=looks)
    return {number: one.figures for number, one in standing.read(asked).items()}


def _is_undone(plan: Plan, grant: PerkGrant, figures: Mapping[date, int], *, at: datetime) -> bool:
    """
    Tell whether the level would not have been reached, and is not reached today either.

    A window that has moved on is no refund: the day of the rise decides, with the sums as they are by now.
    """
    if plan.tiers.metric != grant.metric:
        return False
    days = (plan.local(grant.occurred_at).date(), plan.local(at).date())
    return all(figures.get(day, 0) < grant.tier_at for day in days)


def _take(work: Desk, person: Person, grant: PerkGrant) -> None:
    """Take back what is unused. What was used stays used: nobody goes into debt for a welcome."""
    if grant.redemption is not None:
        came_back = gifts.take_back(work, grant.redemption, reason="The level was undone by a refund.")
    else:
        grant.taken = _take_points(work, person, grant)
        came_back = bool(grant.taken)
    grant.status = Status.TAKEN_BACK if came_back else Status.KEPT
    grant.ended_at = work.at
    if came_back:
        row = {name: getattr(grant, name) for name in ("perk", "name", "kind", "tier")}
        _note(work, "perk.taken_back", person, row | {"points": grant.taken})


def _take_points(work: Desk, person: Person, grant: PerkGrant) -> int:
    account, name = work.account(person.membership_id), _lot_of(grant.pk)
    left = sum(lot.remaining for lot in account.lots or () if lot.rule == name)
    if left:
        work.book.claw_back(
            account,
            left,
            rule=name,
            policy=work.plan.refund_policy,
            cause=Cause(work.at, name, reason={"code": "perk_taken_back", "perk": grant.perk}, by=work.by),
        )
    return left
