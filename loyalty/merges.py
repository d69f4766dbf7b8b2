"""
Two customers that are one person: the source becomes an alias of the target, in every program.

No entry is rewritten. Points move with their own dates, in one pair of entries per program; purchases and
entries stay with whom they happened to, and whatever looks the source up finds the target. Undone within 90
days, what is left of the points goes back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from customers import journey, merging
from customers.models import Customer
from customers.people import CustomerErased
from lib import db
from lib.errors import Conflict, Fault, Malformed, NotFound, Refused
from loyalty import balances, ledger, lookup, programs, purposes, standing, sums, tiers
from loyalty.ledger import AccountState, Book, Cause
from loyalty.models import Membership, Merge, Program, TierChange
from loyalty.plan import Level, Plan
from loyalty.standing import Standing

DAYS = 90
KINDS = ("merge_out", "merge_in")


class SamePerson(Malformed):
    """The source and the target are one customer already."""

    code = "same_customer"


class ReasonMissing(Malformed):
    code = "reason_missing"


class AlreadyMerged(Conflict):
    """One of the two is an alias of somebody already."""

    code = "already_merged"


class IsBlocked(Refused):
    code = "customer_blocked"


class PointsAreHeld(Conflict):
    """Points of one of them are reserved at a checkout."""

    code = "points_are_held"


class MergedSince(Conflict):
    """The target was itself merged into somebody: that merge is undone first."""

    code = "merged_since"


class MergeTooOld(Refused):
    code = "merge_too_old"


@dataclass(slots=True)
class MergeReceipt:
    """
    One merge's answer: status created or replayed; the points that moved (usable, waiting, owed) in the
    first program, the target's tier before and after, and the target's account of now.
    """

    status: str
    merge: Merge
    points: int
    pending: int
    debt: int
    tier_before: str
    tier: str
    balance: dict[str, Any]


@dataclass(slots=True)
class _Pair:
    """One program, and the membership of each of the two in it."""

    plan: Plan
    source: int
    target: int


@db.command
def merge(*, source: Customer, target: Customer, reason: str, at: datetime, by: str) -> MergeReceipt:
    """
    Make `source` an alias of `target`: points, debt and qualifying sums move, the higher tier wins.

    Merging the same two again answers the same. Can be undone for 90 days.

    :raises SamePerson: it is one customer
    :raises NotFound: they are customers of two merchants
    :raises CustomerErased: one of them was erased
    :raises AlreadyMerged: one of them is an alias already
    :raises IsBlocked: one of them is blocked
    :raises PointsAreHeld: points of one of them are reserved
    """
    _check(source, target, reason)
    pairs = _pairs(source, target, at=at)
    locked = ledger.ask_lock(merchant_id=target.merchant_id, memberships=_numbers(pairs))
    source, target = _lock(source, target)
    first = Merge.objects.filter(merchant=target.merchant_id, source=source, undone_at=None).first()
    if first is not None and first.target_id == target.pk:
        return _receipt("replayed", first, target, at)
    _admit(source, target)
    if {pair.source for pair in pairs} != set(_memberships(source).values()):
        raise db.Again  # they joined a program while we waited for the lock
    book = _open(locked, merchant_id=target.merchant_id, at=at)
    done = Merge(
        merchant_id=target.merchant_id,
        source=source,
        target=target,
        reason=reason.strip(),
        by=by,
        merged_at=at,
    )
    done.moved = [_move(book, pair, done) for pair in pairs]
    done.aliases = merging.alias(source=source, target=target, at=at, by=by)
    done.save(force_insert=True)
    purposes.let_go_of_ended(merchant_id=done.merchant_id, accounts=book.accounts.values())
    ledger.write(book)
    return _receipt("created", done, target, at)


def _check(source: Customer, target: Customer, reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("A merge needs a reason.", faults=[Fault("/reason", "reason_missing", "say why")])
    if source.pk == target.pk:
        raise SamePerson(
            "This is one customer: name another one to merge into.",
            faults=[Fault("/target", "same_customer", "is the source")],
        )
    if source.merchant_id != target.merchant_id:
        raise NotFound(
            "There is no such customer.", faults=[Fault("/target", "not_found", "There is no such object")]
        )


def _admit(source: Customer, target: Customer) -> None:
    for name, one in (("source", source), ("target", target)):
        match one.status:
            case Customer.Status.ERASED:
                raise CustomerErased(
                    "This customer was erased; there is nobody to merge.",
                    faults=[Fault(f"/{name}", "gone", "erased")],
                )
            case Customer.Status.MERGED:
                raise AlreadyMerged(
                    "This customer is merged into another one already. Merge that one, or undo the merge first.",
                    faults=[Fault(f"/{name}", "already_merged", "is an alias")],
                )
            case Customer.Status.BLOCKED:
                raise IsBlocked(
                    "This customer is blocked. Unblock them first, or the block would be lost.",
                    faults=[Fault(f"/{name}", "customer_blocked", "is blocked")],
                )


def _memberships(customer: Customer) -> dict[int, int]:
    """Return the customer's memberships by program."""
    rows = Membership.objects.filter(merchant=customer.merchant_id, customer=customer)
    return dict(rows.order_by("program_id").values_list("program_id", "pk"))


def _pairs(source: Customer, target: Customer, *, at: datetime) -> list[_Pair]:
    """Return the source's programs; the target becomes a member where they are not."""
    merchant = target.merchant
    own, theirs = _memberships(source), _memberships(target)
    is_active = set(Program.objects.filter(pk__in=own, is_active=True).values_list("pk", flat=True))
    pairs = []
    for program_id, number in own.items():
        # The points of a program that was given up move like the others, judged by the first one's plan.
        plan = programs.current(merchant=merchant, program_id=program_id if program_id in is_active else None)
        plan = replace(plan, program_id=program_id)
        if program_id not in theirs:
            [joined] = lookup.join(merchant_id=merchant.pk, plan=plan, customers=[target.pk], at=at)
            theirs[program_id] = joined
        pairs.append(_Pair(plan, number, theirs[program_id]))
    return pairs


def _numbers(pairs: Iterable[_Pair]) -> set[int]:
    return {number for pair in pairs for number in (pair.source, pair.target)}


def _lock(source: Customer, target: Customer) -> tuple[Customer, Customer]:
    """
    Lock both customers, after their accounts: a sale holds its account when it names its customer.

    Whoever joins a program names the customer too, so after this nobody joins unseen.
    """
    rows = Customer.objects.select_for_update(of=("self",)).filter(
        merchant=target.merchant_id, pk__in=[source.pk, target.pk]
    )
    found = {one.pk: one for one in rows.order_by("pk")}
    found[target.pk].merchant = found[source.pk].merchant = target.merchant
    return found[source.pk], found[target.pk]


def _open(locked: db.Answer, *, merchant_id: int, at: datetime) -> Book:
    book = ledger.open_book(locked, at=at, merged=True)
    ledger.settle(book, merchant_id=merchant_id, at=at, lots=True)
    if any(account.held for account in book.accounts.values()):
        raise PointsAreHeld("Points are reserved at a checkout. Capture or cancel the reservation first.")
    return book


# --- merging one program --------------------------------------------------------------------------------


def _move(book: Book, pair: _Pair, done: Merge) -> dict[str, Any]:
    """Move points, sums and tier in one program; return what is kept of it."""
    source, target = book[pair.source], book[pair.target]
    assert source.lots is not None
    parts = [(lot, lot.remaining) for lot in source.lots if lot.remaining]
    kept: dict[str, Any] = {
        "program": pair.plan.program_id,
        "source": source.id,
        "target": target.id,
        "points": source.active,
        "pending": source.pending,
        "debt": source.debt,
        "lots": [],
        "counters": {"purchases": source.purchases, "lifetime_earned": source.lifetime_earned},
    }
    if parts or source.debt:
        kept["lots"] = book.move(
            source, target, parts, kinds=KINDS, causes=_causes("merge", done, back=False), debt=source.debt
        )
    _count(source, target, kept["counters"])
    times = [when for when in (source.active_at, target.active_at) if when]
    target.active_at = max(times, default=None)
    source.is_merged = source.is_changed = target.is_changed = True
    kept["sums"] = sums.take_all(merchant_id=done.merchant_id, membership_id=source.id)
    sums.give(kept["sums"], merchant_id=done.merchant_id, membership_id=target.id)
    kept["tier"] = _higher_tier(pair, done)
    return kept


def _causes(code: str, done: Merge, *, back: bool) -> tuple[Cause, Cause]:
    """Return the causes of what is sent and what is received, each naming the other customer."""
    at = done.undone_at if back else done.merged_at
    assert at is not None
    by = done.undone_by if back else done.by
    sender, taker = (done.target, done.source) if back else (done.source, done.target)
    return (
        Cause(at, done.public_id, reason={"code": f"{code}_out", "other": taker.public_id}, by=by),
        Cause(at, done.public_id, reason={"code": f"{code}_in", "other": sender.public_id}, by=by),
    )


def _count(giver: AccountState, taker: AccountState, counters: dict[str, int]) -> None:
    for name, figure in counters.items():
        part = min(figure, max(0, getattr(giver, name)))
        setattr(giver, name, getattr(giver, name) - part)
        setattr(taker, name, getattr(taker, name) + part)


def _standings(pair: _Pair, merchant_id: int, at: datetime) -> tuple[Standing, Standing]:
    day = pair.plan.local(at).date()
    joined = Membership.objects.filter(pk__in=[pair.source, pair.target]).values_list("pk", "joined_at")
    looks = [(number, when, day, day) for number, when in joined]
    found = standing.read(standing.ask_figures(pair.plan, merchant_id=merchant_id, looks=looks))
    return found[pair.source], found[pair.target]


def _higher_tier(pair: _Pair, done: Merge) -> dict[str, Any]:
    """Give the target the higher of the two tiers, or the one that their sums reach together."""
    plan, at = pair.plan, done.merged_at
    theirs, mine = _standings(pair, done.merchant_id, at)
    kept = _tier(mine)
    if plan.tiers.rank(theirs.tier) > plan.tiers.rank(mine.tier):
        level = plan.tiers.level(theirs.tier)
        mine.move(plan, to=level, at=at, now=at, reason="merged", by=done.by, is_manual=theirs.is_manual)
        mine.tier_until = theirs.tier_until
    elif theirs.tier == mine.tier and mine.tier_until and theirs.tier_until != mine.tier_until:
        mine.tier_until = max(mine.tier_until, theirs.tier_until) if theirs.tier_until else None
        mine.is_changed = True
    tiers.lift(plan, mine, at=at, now=at)
    _write_tier(mine, kept["name"], done, at)
    return {"before": kept, "after": _tier(mine)}


def _tier(one: Standing) -> dict[str, Any]:
    return {
        "name": one.tier,
        "since": one.tier_since.isoformat() if one.tier_since else None,
        "until": one.tier_until.isoformat() if one.tier_until else None,
        "is_manual": one.is_manual,
    }


def _write_tier(one: Standing, before: str, done: Merge, at: datetime) -> None:
    standing.write([one], merchant_id=done.merchant_id)
    if one.tier != before:
        data = {"from": before, "to": one.tier}
        journey.note(customer=done.target, kind="tier.changed", at=at, data=data)


# --- undoing --------------------------------------------------------------------------------------------


@db.command
def unmerge(*, merge: Merge, at: datetime, by: str) -> MergeReceipt:
    """
    Make the source a customer of its own again, with what is left of what it brought.

    Lots go back as far as they are not used up, the debt as far as it is still owed; sums and counters as
    far as refunds left them. The target keeps what it bought since. Repeating answers the same.

    :raises MergeTooOld: it was more than 90 days ago
    :raises MergedSince: the target was merged into somebody else in the meantime
    :raises CustomerErased: there is nobody to bring back
    :raises PointsAreHeld: points of the target are reserved
    """
    numbers = {number for item in merge.moved for number in (item["source"], item["target"])}
    target = Customer.objects.select_related("merchant").get(pk=merge.target_id)
    locked = ledger.ask_lock(merchant_id=merge.merchant_id, memberships=numbers)
    source, target = _lock(Customer(pk=merge.source_id, merchant=target.merchant), target)
    done = Merge.objects.select_for_update(of=("self",)).get(pk=merge.pk)
    done.source, done.target = source, target
    if done.undone_at is not None:
        return _receipt("replayed", done, target, at)
    _admit_undoing(done, at)
    book = _open(locked, merchant_id=done.merchant_id, at=at)
    done.undone_at, done.undone_by = at, by
    for item in done.moved:
        _move_back(book, item, done)
    merging.restore(source=source, target=target, aliases=done.aliases, at=at, by=by)
    done.save(update_fields=["undone_at", "undone_by"])
    purposes.let_go_of_ended(merchant_id=done.merchant_id, accounts=book.accounts.values())
    ledger.write(book)
    return _receipt("created", done, target, at)


def _admit_undoing(done: Merge, at: datetime) -> None:
    if Customer.Status.ERASED in (done.source.status, done.target.status):
        raise CustomerErased("This person was erased; there is nobody to bring back.")
    if done.target.status == Customer.Status.MERGED:
        raise MergedSince("The target was merged into another customer since. Undo that merge first.")
    if at > done.merged_at + timedelta(days=DAYS):
        raise MergeTooOld(f"A merge can be undone for {DAYS} days; this one is older.")


def _move_back(book: Book, item: dict[str, Any], done: Merge) -> None:
    source, target, at = book[item["source"]], book[item["target"]], done.undone_at
    assert target.lots is not None
    assert at is not None
    brought = {new for _, new in item["lots"]}
    parts = [(lot, lot.remaining) for lot in target.lots if lot.id in brought and lot.remaining]
    debt = min(item["debt"], target.debt)
    if parts or debt:
        causes = _causes("unmerge", done, back=True)
        pairs = book.move(target, source, parts, kinds=KINDS, causes=causes, debt=debt)
        _rename_lots(done, item, dict(pairs))
    _count(target, source, item["counters"])
    source.is_merged, source.is_changed, target.is_changed = False, True, True
    left = sums.take_back(item["sums"], merchant_id=done.merchant_id, membership_id=target.id)
    sums.give(left, merchant_id=done.merchant_id, membership_id=source.id)
    _tier_back(item, done, at)


def _rename_lots(done: Merge, item: dict[str, Any], back: dict[int, int]) -> None:
    """
    What had come to the source by an earlier merge is in new lots now: that merge must find them when it is
    undone in its turn.
    """
    now = {old: back[new] for old, new in item["lots"] if new in back}
    earlier = Merge.objects.filter(merchant=done.merchant_id, target=done.source, undone_at=None)
    for one in earlier.select_for_update(of=("self",)):
        for other in one.moved:
            other["lots"] = [[old, now.get(new, new)] for old, new in other["lots"]]
        one.save(update_fields=["moved"])


def _tier_back(item: dict[str, Any], done: Merge, at: datetime) -> None:
    """
    Take the tier back that came with the merge, unless it moved since; never below what the target's own
    figure reaches.
    """
    before, after = item["tier"]["before"], item["tier"]["after"]
    has_moved = TierChange.objects.filter(membership=item["target"], at__gt=done.merged_at).exists()
    if before == after or has_moved:
        return
    merchant = done.target.merchant
    known = Program.objects.filter(pk=item["program"], is_active=True).exists()
    plan = programs.current(merchant=merchant, program_id=item["program"] if known else None)
    pair = _Pair(plan, item["source"], item["target"])
    _, mine = _standings(pair, done.merchant_id, at)
    reached = plan.tiers.reached(mine.figure(plan, plan.local(at).date()))
    level: Level | None = plan.tiers.level(before["name"])
    is_reached = reached is not None and plan.tiers.rank(reached.name) > plan.tiers.rank(before["name"])
    if is_reached:
        level = reached
    name = level.name if level else ""
    was = mine.tier
    if name != was:
        mine.move(plan, to=level, at=at, now=at, reason="unmerged", by=done.undone_by)
    if not is_reached:
        mine.tier_since, mine.tier_until = _time(before["since"]), _time(before["until"])
        mine.is_manual, mine.is_changed = before["is_manual"], True
    _write_tier(mine, was, done, at)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _receipt(status: str, done: Merge, target: Customer, at: datetime) -> MergeReceipt:
    first = done.moved[0] if done.moved else None
    balance = balances.balance(merchant=target.merchant, customer_id=target.pk, at=at)
    return MergeReceipt(
        status,
        done,
        points=first["points"] if first else 0,
        pending=first["pending"] if first else 0,
        debt=first["debt"] if first else 0,
        tier_before=first["tier"]["before"]["name"] if first else "",
        tier=balance["tier"]["name"],
        balance=balance,
    )
