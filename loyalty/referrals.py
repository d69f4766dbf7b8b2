"""
What bringing a friend pays: both sides' points, once, for the friend's first paid purchase.

The points are pending until the purchase can no longer be returned, and are taken back from both when it is.
Who may bring whom is `customers.referrals`. Recording a sale knows nothing of referrals: they listen to the
first purchase, to refunds and voids, and `run` finds every minute what came later.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from customers import referrals as claims
from customers.models import Customer, Referral, Touchpoint
from customers.referrals import Claim
from lib import db, public_ids
from lib.errors import Conflict, Fault, Malformed, Refused
from loyalty import bonuses, desk, known, lookup, programs, referral_caps
from loyalty.desk import Desk, Row
from loyalty.earning.base import UNEARNING_TENDERS
from loyalty.ledger import Cause, Grant
from loyalty.lookup import Person
from loyalty.plan import Referral as Terms
from loyalty.referral_caps import Paid
from merchants.models import Merchant

__all__ = ["Claim", "approve", "claim", "on_sales", "reject", "run", "terms"]

SOURCE, KIND = "program", "referral"
AT_ONCE = 500
State = Referral.State
PAID = referral_caps.PAID


class NoReferrals(Refused):
    """The program does not pay for bringing friends."""

    code = "no_referrals"


class NotWaiting(Conflict):
    """The referral has ended: there is nothing left to decide."""

    code = "referral_ended"


class ReasonMissing(Malformed):
    code = "reason_missing"


def terms(*, merchant: Merchant) -> Terms | None:
    """Return what bringing a friend pays now; None when it pays nothing, or there is no program."""
    try:
        return programs.current(merchant=merchant).referral
    except programs.NoProgram:
        return None


def not_offered(pointer: str) -> NoReferrals:
    """Return the refusal of a code where the program has no referrals."""
    return NoReferrals(
        "This shop's program does not pay for bringing friends.",
        faults=[Fault(pointer, "no_referrals", "the program has no referral section")],
    )


@db.command
def claim(*, friend: Customer, claim: Claim, at: datetime, by: str) -> tuple[Referral, bool]:
    """
    Say who brought this friend; return the referral, and whether it is new. Repeating answers the first.

    :raises NoReferrals: the program does not pay for it
    :raises UnknownCode: nobody has this code
    :raises AlreadyReferred: another code was claimed for this friend
    :raises SelfReferral: referrer and friend are one person
    :raises FriendNotNew: the friend joined more than 30 days ago, or has bought something
    """
    if programs.current(merchant=friend.merchant).referral is None:
        raise not_offered(claim.pointer)
    was_here = bonuses.were_here_before(merchant=friend.merchant, customers=[friend.pk])
    return claims.claim(friend=friend, claim=claim, at=at, by=by, was_here=bool(was_here))


# --- qualifying ---------------------------------------------------------------------------------------


def on_sales(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Hear of first purchases, refunds and voids; a statement or two for all of a merchant's."""
    for merchant, told in bonuses.by_merchant(touchpoints).items():
        bought = {one.customer_id for one in told if one.kind == "customer.converted" and one.customer_id}
        if bought:
            _qualify(merchant=merchant, at=at, friends=bought)
        undone = {
            number
            for one in told
            if one.kind != "customer.converted"
            and (number := public_ids.read("pur", str(one.data.get("purchase", "")))) is not None
        }
        if undone:
            _take_back_undone(merchant=merchant, at=at, purchases=undone)


def run(*, at: datetime) -> int:
    """
    Do what is due: qualify what the listener did not see (a second purchase that is large enough, a merged
    friend), end what waited too long, say what is past its return window. Return how many moved.
    """
    moved = 0
    open_at = Referral.objects.filter(state=State.JOINED).values("merchant_id")
    for merchant in Merchant.objects.filter(is_active=True, pk__in=open_at):
        after, more = 0, True
        while more:
            count, after, more = _qualify_some(merchant=merchant, at=at, after=after)
            moved += count
    for step in (claims.expire, claims.reward):
        while count := step(at=at):
            moved += count
    return moved


@db.command
def _qualify_some(*, merchant: Merchant, at: datetime, after: int) -> tuple[int, int, bool]:
    return _qualify(merchant=merchant, at=at, after=after)


@db.inside_transaction
def _qualify(
    *, merchant: Merchant, at: datetime, friends: Collection[int] | None = None, after: int = 0
) -> tuple[int, int, bool]:
    """
    Give both sides' points for open referrals whose purchase is there (of these friends, or with ids above
    `after`); return how many, the last id looked at and whether there may be more.
    """
    offered = terms(merchant=merchant)
    if offered is None:
        return 0, after, False
    found = _candidates(merchant, offered, friends, after)
    if not found:
        return 0, after, False
    last, is_full = found[-1][0], len(found) == AT_ONCE
    purchases: dict[int, list[int]] = {}
    for number, purchase_id in found:
        purchases.setdefault(number, []).append(purchase_id)
    if is_full and len(purchases) > 1:
        # The last one's purchases may be cut off here: it comes again, complete, with the next ones.
        del purchases[last]
        last = max(purchases)
    rows = list(Referral.objects.filter(pk__in=purchases))
    work, people, bought = _open(
        merchant, rows, at=at, purchases=[one for ids in purchases.values() for one in ids]
    )
    given = []
    paid = referral_caps.paid_before(
        work.plan, offered, merchant, {one.referrer_id for one in rows}, people, at=at
    )
    for one in _locked(rows):
        if one.state != State.JOINED:
            continue  # Another worker was faster.
        chosen = next((row for number in purchases[one.pk] if _pays(row := bought[number], offered)), None)
        if chosen is not None:
            _give_both(work, one, chosen, offered, people, paid)
            given.append(one)
    Referral.objects.bulk_update(given, _GIVEN)
    claims.note(given, at=at)
    desk.write(work)
    return len(given), last, is_full


_GIVEN = (
    "state",
    "purchase_id",
    "min_amount_minor",
    "referrer_points",
    "friend_points",
    "refusal",
    "qualified_at",
    "activates_at",
    "rewarded_at",
    "ended_at",
)


def _candidates(
    merchant: Merchant, offered: Terms, friends: Collection[int] | None, after: int
) -> list[tuple[int, int]]:
    """Return (referral, purchase) of open referrals and what their friends bought since, oldest first."""
    wanted, params = ("r.id > %s", [after])
    if friends is not None:
        wanted, params = db.any_of("r.friend_id", "bigint", sorted(friends))
    rows = db.ask(
        f"""
        SELECT r.id, p.id
        FROM customers_referral r
        JOIN customers_customer f ON f.id = r.friend_id
        JOIN loyalty_purchase p ON p.merchant_id = r.merchant_id
             AND p.customer_id = COALESCE(f.merged_into_id, f.id)
             AND p.recorded_at >= r.claimed_at AND p.recorded_at < r.expires_at
             AND p.status = 'recorded' AND p.currency = %s
             AND p.amount_minor - p.refunded_minor >= %s
        WHERE r.merchant_id = %s AND r.state = 'joined' AND {wanted}
        ORDER BY r.id, p.occurred_at, p.id LIMIT {AT_ONCE}
        """,
        [merchant.currency, _least(offered.min_amount_minor), merchant.pk, *params],
    ).rows
    return [(number, purchase_id) for number, purchase_id in rows]


def _open(
    merchant: Merchant,
    rows: Sequence[Referral],
    *,
    at: datetime,
    purchases: Iterable[int],
    lots: bool = False,
) -> tuple[Desk, dict[int, Person], dict[int, Row]]:
    """Lock both sides' accounts in the order of their ids, once, then the purchases; return who is who."""
    work = Desk(merchant=merchant, source=SOURCE, at=at, by=SOURCE)
    ids = sorted({number for one in rows for number in (one.referrer_id, one.friend_id)})
    found = lookup.people(merchant=merchant, plan=work.plan, asked=[(number, None) for number in ids], at=at)
    people = {number: person for number, person in zip(ids, found, strict=True) if person is not None}
    wanted = sorted(set(purchases))
    bought = desk.gather(
        work, looks=[(person, at) for person in people.values()], purchases=wanted, lots=lots
    )
    return work, people, bought


def _locked(rows: Sequence[Referral]) -> list[Referral]:
    """Return these referrals locked, as they are now. After the accounts: everybody takes them in this order."""
    numbers = [one.pk for one in rows]
    return list(Referral.objects.select_for_update(of=("self",)).filter(pk__in=numbers).order_by("pk"))


def _least(min_amount_minor: int) -> int:
    return max(1, min_amount_minor)


def _is_paid(purchase: Row, min_amount_minor: int) -> bool:
    """Tell whether so much of a purchase was paid, and not with points, and not given back."""
    unpaid = sum(one["amount_minor"] for one in purchase["tenders"] if one["kind"] in UNEARNING_TENDERS)
    left = purchase["amount_minor"] - purchase["refunded_minor"] - unpaid
    return bool(purchase["status"] == "recorded" and left >= _least(min_amount_minor))


def _pays(purchase: Row, offered: Terms) -> bool:
    return _is_paid(purchase, offered.min_amount_minor)


def _give_both(
    work: Desk,
    one: Referral,
    purchase: Row,
    offered: Terms,
    people: Mapping[int, Person],
    paid: Paid,
) -> None:
    """Give both sides' points of one locked referral, in memory, and move its state."""
    referrer, friend = people[one.referrer_id], people[one.friend_id]
    if referrer.customer_id == friend.customer_id:
        one.state, one.refusal, one.ended_at = State.REJECTED, "same_customer", work.at
        return
    one.purchase_id, one.min_amount_minor = purchase["id"], offered.min_amount_minor
    one.qualified_at = work.at
    one.activates_at = max(work.at, purchase["occurred_at"] + timedelta(days=work.plan.refund_return_days))
    one.refusal = referral_caps.refusal(work.plan, offered, referrer, paid, at=work.at)
    one.friend_points = _give(work, one, friend, offered.friend_points, "friend")
    if not one.refusal:
        one.referrer_points = _give(work, one, referrer, offered.referrer_points, "referrer")
        for period in referral_caps.periods(work.plan, work.at):
            paid[referrer.customer_id, period] += 1
    is_over = one.activates_at <= work.at
    one.state, one.rewarded_at = (State.REWARDED, work.at) if is_over else (State.QUALIFIED, None)
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=SOURCE,
            kind=KIND,
            reference=one.public_id,
            target_id=one.pk,
            at=work.at,
        )
    )


def _give(work: Desk, one: Referral, person: Person, points: int, role: str) -> int:
    if not points or person.status == Customer.Status.ERASED:
        return 0
    starts = one.activates_at if one.activates_at and one.activates_at > work.at else None
    ends = work.plan.expiry.ends(starts or work.at, zone=work.plan.zone)
    reason = {"code": f"referral_{role}", "referral": one.public_id, "points": points}
    work.book.earn(
        work.account(person.membership_id),
        [Grant(points, rule=_lot_of(one), activates_at=starts, expires_at=ends)],
        cause=Cause(work.at, one.public_id, reason=reason, by=work.by),
        kind="bonus",
    )
    return points


def _lot_of(one: Referral) -> str:
    """Return the name by which a referral's lots are found again: they are no purchase's."""
    return f"referral:{one.public_id}"


# --- taking back --------------------------------------------------------------------------------------


@db.inside_transaction
def _take_back_undone(*, merchant: Merchant, at: datetime, purchases: Collection[int]) -> None:
    """Take both sides' points back where a qualifying purchase was voided, or too little of it is left."""
    rows = list(Referral.objects.filter(merchant=merchant, purchase_id__in=purchases, state__in=PAID))
    if not rows:
        return
    numbers = [one.purchase_id for one in rows if one.purchase_id]
    work, people, bought = _open(merchant, rows, at=at, purchases=numbers, lots=True)
    ended = []
    for one in _locked(rows):
        purchase = bought[one.purchase_id or 0]
        if one.state in PAID and not _is_paid(purchase, one.min_amount_minor):
            _take_both(work, one, people, code="referral_refunded")
            one.state, one.ended_at = State.CLAWED_BACK, at
            ended.append(one)
    Referral.objects.bulk_update(ended, ["state", "ended_at"])
    claims.note(ended, at=at)
    desk.write(work)


def _take_both(work: Desk, one: Referral, people: Mapping[int, Person], *, code: str) -> None:
    for number, points in ((one.referrer_id, one.referrer_points), (one.friend_id, one.friend_points)):
        if points:
            work.book.claw_back(
                work.account(people[number].membership_id),
                points,
                rule=_lot_of(one),
                policy=work.plan.refund_policy,
                cause=Cause(
                    work.at, one.public_id, reason={"code": code, "referral": one.public_id}, by=work.by
                ),
            )


# --- what staff decide --------------------------------------------------------------------------------


@db.command
def approve(*, referral: Referral, at: datetime, by: str) -> Referral:
    """
    Let a flagged referral go on; what the friend bought meanwhile counts. Repeating changes nothing.

    :raises NotWaiting: it has ended
    """
    [one] = _locked([referral])
    if one.state == State.FLAGGED:
        _decide(one, State.JOINED, at=at, by=by)
        _qualify(merchant=referral.merchant, at=at, friends={one.friend_id})
        one.refresh_from_db()
    elif one.state not in (State.JOINED, *PAID):
        raise NotWaiting("This referral has ended; there is nothing to approve.")
    return one


@db.command
def reject(*, referral: Referral, reason: str, at: datetime, by: str) -> Referral:
    """
    End a referral for a reason; points it gave are taken back from both. Repeating changes nothing.

    :raises ReasonMissing: `reason` is blank
    :raises NotWaiting: it has ended otherwise
    """
    if not reason.strip():
        raise ReasonMissing(
            "A rejection needs a reason.", faults=[Fault("/reason", "reason_missing", "say why")]
        )
    work, people, _ = _open(referral.merchant, [referral], at=at, purchases=(), lots=True)
    [one] = _locked([referral])
    if one.state == State.REJECTED:
        return one
    if one.state in PAID:
        work.by = by
        _take_both(work, one, people, code="referral_rejected")
        desk.write(work)
    elif one.state not in (State.JOINED, State.FLAGGED):
        raise NotWaiting("This referral has ended; there is nothing to reject.")
    one.ended_at = at
    _decide(one, State.REJECTED, at=at, by=by, reason=reason.strip())
    return one


def _decide(one: Referral, state: State, *, at: datetime, by: str, reason: str = "") -> None:
    one.state, one.decided_at, one.decided_by, one.reason = state, at, by, reason
    one.save(update_fields=["state", "decided_at", "decided_by", "reason", "ended_at"])
    claims.note([one], at=at, by=by)
