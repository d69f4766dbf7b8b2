"""The check date: who stays, who goes down a step, who is warned; tiers given by hand; new sets of tiers."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db.models import Q

from customers import journey
from customers.models import Customer
from lib import db
from lib.errors import Fault, Malformed, Refused
from loyalty import calendar, ledger, plan, programs, purposes, standing, tiers
from loyalty.models import Membership, TierSet
from loyalty.plan import Plan, Tiers
from loyalty.standing import Standing
from merchants.models import Merchant

CHUNK = 1000
WARNINGS = (60, 30)


class ReasonMissing(Malformed):
    code = "reason_missing"


class NotADraft(Refused):
    """Only a draft can be published, and only with levels."""

    code = "not_a_draft"


def review_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """
    Review every membership whose check date (plus grace) is past, and warn those 60 and 30 days before.

    Return how many were reviewed. Set-based; running it again, or twice at once, changes nothing more.
    """
    done = 0
    merchants = [merchant] if merchant else Merchant.objects.filter(is_active=True)
    for one in merchants:
        try:
            rules = programs.current(merchant=one)
        except programs.NoProgram:
            continue
        if not rules.tiers.levels:
            continue
        due = Membership.objects.filter(
            merchant=one,
            program_id=rules.program_id,
            tier_until__lte=at - timedelta(days=rules.tiers.grace_days),
            customer__merged_into=None,
        )
        while ids := list(due.order_by("tier_until").values_list("pk", flat=True)[:CHUNK]):
            done += _review(merchant=one, memberships=ids, at=at)
        _warn(one, rules, at)
    return done


@db.command
def _review(*, merchant: Merchant, memberships: list[int], at: datetime) -> int:
    rules = programs.current(merchant=merchant)
    book = ledger.lock(merchant_id=merchant.pk, memberships=memberships, at=at, lots=False, merged=True)
    standings = _standings(rules, merchant_id=merchant.pk, memberships=memberships, at=at)
    notes = []
    for one in standings.values():
        before = one.tier
        check(rules, one, at=at)
        if one.tier != before:
            notes.append(_note(merchant, one, before, at))
    purposes.let_go_of_ended(merchant_id=merchant.pk, accounts=book.accounts.values())
    ledger.write(book)
    standing.write(list(standings.values()), merchant_id=merchant.pk)
    journey.note_all(notes)
    return len(standings)


def check(rules: Plan, one: Standing, *, at: datetime) -> None:
    """Decide at the check date: stay as long again, or go down by the steps, never below the figure."""
    figure = one.figure(rules, rules.local(at).date())
    reached = rules.tiers.reached(figure)
    now, earned = rules.tiers.rank(one.tier), rules.tiers.rank(reached.name) if reached else -1
    if earned >= now and reached is not None:
        if earned > now:
            one.move(
                rules,
                to=reached,
                at=at,
                now=at,
                reason="reached",
                figures=tiers.figures(rules, figure, reached.name),
            )
        else:
            one.tier_until, one.is_changed = standing.status_ends(rules, one, at), True
            one.is_manual = False
        return
    target = max(earned, now - rules.tiers.steps, 0)
    level = rules.tiers.levels[target]
    one.move(
        rules, to=level, at=at, now=at, reason="not_kept", figures=tiers.figures(rules, figure, level.name)
    )


def _standings(
    rules: Plan, *, merchant_id: int, memberships: Sequence[int], at: datetime
) -> dict[int, Standing]:
    joined = Membership.objects.filter(pk__in=memberships).values_list("pk", "joined_at")
    day = rules.local(at).date()
    looks = [(number, when, day, day) for number, when in joined]
    return standing.read(standing.ask_figures(rules, merchant_id=merchant_id, looks=looks))


def _note(merchant: Merchant, one: Standing, before: str, at: datetime) -> dict[str, Any]:
    return journey.row(
        merchant_id=merchant.pk,
        customer_id=one.customer_id,
        kind="tier.changed",
        at=at,
        now=at,
        data={"from": before, "to": one.tier},
    )


def _warn(merchant: Merchant, rules: Plan, at: datetime) -> None:
    """Note once, 60 and again 30 days before the check date, what is missing to stay."""
    for days in WARNINGS:
        near = Membership.objects.filter(
            Q(warned_days=0) | Q(warned_days__gt=days),
            merchant=merchant,
            program_id=rules.program_id,
            tier_until__gt=at,
            tier_until__lte=at + timedelta(days=days),
            customer__merged_into=None,
        )
        while ids := list(near.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
            _warn_some(merchant=merchant, memberships=ids, days=days, at=at)


@db.command
def _warn_some(*, merchant: Merchant, memberships: list[int], days: int, at: datetime) -> None:
    rules = programs.current(merchant=merchant)
    ledger.lock(merchant_id=merchant.pk, memberships=memberships, at=at, lots=False, merged=True)
    notes = []
    for one in _standings(rules, merchant_id=merchant.pk, memberships=memberships, at=at).values():
        to_stay = tiers.progress(rules, one, at=at)["to_stay"]
        if to_stay:
            data = {
                "tier": one.tier,
                "to_stay": to_stay,
                "until": one.tier_until.isoformat() if one.tier_until else None,
            }
            notes.append(
                journey.row(
                    merchant_id=merchant.pk,
                    customer_id=one.customer_id,
                    kind="tier.warned",
                    at=at,
                    now=at,
                    data=data,
                )
            )
    Membership.objects.filter(pk__in=memberships).update(warned_days=days)
    journey.note_all(notes)


@db.command
def assign(
    *, customer: Customer, tier: str, until: datetime | None, reason: str, by: str, at: datetime
) -> None:
    """
    Give a tier by hand, until a date (None: for ever). No job lowers it before; a purchase may raise it.

    :raises ReasonMissing: `reason` is blank
    :raises Malformed: there is no such tier
    """
    if not reason.strip():
        raise ReasonMissing(
            "A tier given by hand needs a reason.", faults=[Fault("/reason", "reason_missing", "say why")]
        )
    rules = programs.current(merchant=customer.merchant)
    level = rules.tiers.level(tier)
    if level is None:
        raise Malformed(f"There is no tier {tier}.", faults=[Fault("/tier", "not_found", "no such tier")])
    membership = Membership.objects.get(customer=customer, program_id=rules.program_id)
    ledger.lock(merchant_id=customer.merchant_id, memberships=[membership.pk], at=at, lots=False, merged=True)
    one = _standings(rules, merchant_id=customer.merchant_id, memberships=[membership.pk], at=at)[
        membership.pk
    ]
    before = one.tier
    one.move(
        rules,
        to=level,
        at=at,
        now=at,
        reason=reason.strip(),
        by=by,
        is_manual=True,
        until=until or calendar.FOREVER,
    )
    standing.write([one], merchant_id=customer.merchant_id)
    journey.note_all([_note(customer.merchant, one, before, at)])


# --- sets of tiers ------------------------------------------------------------------------------------


def preview(*, tier_set: TierSet, at: datetime, examples: int = 20) -> dict[str, Any]:
    """
    Return what publishing this set would do: members per level now and then, how many move up and down,
    and some of those who move each way. One statement per thousand members; nothing is written.
    """
    draft = tiers_of(tier_set)
    after = dict.fromkeys((level.name for level in draft.levels), 0)
    before: dict[str, int] = {}
    moves: dict[tuple[str, str], int] = {}
    who: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    rules = programs.current(merchant=tier_set.program.merchant)
    for one, figure in _everybody(tier_set, draft, at):
        reached = draft.reached(figure)
        name = reached.name if reached else ""
        if one.is_manual and draft.level(one.tier):
            name = one.tier
        before[one.tier] = before.get(one.tier, 0) + 1
        after[name] = after.get(name, 0) + 1
        if name != one.tier:
            moves[one.tier, name] = moves.get((one.tier, name), 0) + 1
            is_up = _is_up(rules.tiers, draft, one.tier, name)
            if len(who[is_up]) < examples:
                who[is_up].append(
                    {"customer_id": one.customer_id, "from": one.tier, "to": name, "figure": figure}
                )
    ups = sum(count for (old, new), count in moves.items() if _is_up(rules.tiers, draft, old, new))
    return {
        "members": sum(before.values()),
        "before": before,
        "after": after,
        "up": ups,
        "down": sum(moves.values()) - ups,
        "moves": [
            {"from": old, "to": new, "customers": count} for (old, new), count in sorted(moves.items())
        ],
        "examples": [*who[True], *who[False]],
    }


def _is_up(live: Tiers, draft: Tiers, old: str, new: str) -> bool:
    was = draft.level(old) or live.level(old)
    will = draft.level(new)
    return (will.at if will else -1) > (was.at if was else -1)


def _everybody(tier_set: TierSet, draft: Tiers, at: datetime) -> Iterator[tuple[Standing, int]]:
    merchant_id = tier_set.merchant_id
    rules = programs.current(merchant=tier_set.program.merchant)
    drafted = plan.with_tiers(rules, draft)
    last = 0
    while ids := list(
        Membership.objects.filter(
            merchant=merchant_id, program=tier_set.program_id, customer__merged_into=None, pk__gt=last
        )
        .order_by("pk")
        .values_list("pk", flat=True)[:CHUNK]
    ):
        for one in _standings(drafted, merchant_id=merchant_id, memberships=ids, at=at).values():
            yield one, one.figure(drafted, rules.local(at).date())
        last = ids[-1]


def tiers_of(tier_set: TierSet) -> Tiers:
    """Return a set's rows as the plan reads them."""
    return plan.read_tiers(programs.tier_document(tier_set))


@db.command
def publish(*, tier_set: TierSet, at: datetime, by: str) -> None:
    """
    Make a draft the live set: the old one retires, everybody is moved to the level their figure reaches.

    Nobody is lowered: who would fall keeps the level of the same name until the check date, or the
    highest that is left below it.

    :raises NotADraft: it is not a draft, or has no levels
    """
    publish_step(tier_set=tier_set, at=at, by=by)


@db.inside_transaction
def publish_step(*, tier_set: TierSet, at: datetime, by: str) -> None:
    """Do what `publish` does, inside the caller's transaction."""
    tier_set = TierSet.objects.select_for_update().get(pk=tier_set.pk)
    if tier_set.status != TierSet.Status.DRAFT or not tier_set.tiers.exists():
        raise NotADraft("Only a draft with at least one level can be published.")
    TierSet.objects.filter(program=tier_set.program_id, status=TierSet.Status.LIVE).update(
        status=TierSet.Status.RETIRED
    )
    tier_set.status, tier_set.published_at = TierSet.Status.LIVE, at
    tier_set.save(update_fields=["status", "published_at"])
    programs.publish_step(program=tier_set.program, at=at, by=by)
    merchant = Merchant.objects.get(pk=tier_set.merchant_id)
    rules = programs.current(merchant=merchant, program_id=tier_set.program_id)
    everybody = Membership.objects.filter(merchant=merchant, program=tier_set.program_id).order_by("pk")
    for _, chunk in groupby(
        enumerate(everybody.values_list("pk", flat=True)), key=lambda pair: pair[0] // CHUNK
    ):
        _move_to_new_set(merchant, rules, [number for _, number in chunk], at=at, by=by)


def _move_to_new_set(
    merchant: Merchant, rules: Plan, memberships: list[int], *, at: datetime, by: str
) -> None:
    ledger.lock(merchant_id=merchant.pk, memberships=memberships, at=at, lots=False, merged=True)
    notes = []
    standings = _standings(rules, merchant_id=merchant.pk, memberships=memberships, at=at)
    for one in standings.values():
        figure, before = one.figure(rules, rules.local(at).date()), one.tier
        reached = rules.tiers.reached(figure)
        kept = rules.tiers.level(before)
        level = reached if kept is None or (reached and reached.at > kept.at) else kept
        if level is None or level.name != before:
            name = level.name if level else ""
            one.move(
                rules,
                to=level,
                at=at,
                now=at,
                reason="new tiers",
                by=by,
                figures=tiers.figures(rules, figure, name),
            )
            notes.append(_note(merchant, one, before, at))
    standing.write(list(standings.values()), merchant_id=merchant.pk)
    journey.note_all(notes)


def publish_due(*, at: datetime, merchant: Merchant | None = None) -> int:
    """Publish the drafts whose time has come; return how many."""
    due = TierSet.objects.filter(status=TierSet.Status.DRAFT, publish_at__lte=at)
    if merchant is not None:
        due = due.filter(merchant=merchant)
    done = 0
    for tier_set in due.order_by("publish_at"):
        publish(tier_set=tier_set, at=at, by="schedule")
        done += 1
    return done
