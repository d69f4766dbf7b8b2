"""
Points spent on rewards, and given back.

One command each: the account is locked, the shelf and the caps are asked, points are taken, what the
reward's kind promises is issued. Giving back is repeatable by state and returns the points to the lots
they came from.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from customers.models import Customer
from customers.people import CustomerErased
from lib import db, public_ids
from lib.errors import Conflict, Fault, NotFound, ReferenceReused
from loyalty import desk, households, known, ledger, lookup, purchases, returns
from loyalty.desk import Desk, Row
from loyalty.ledger import Cause
from loyalty.returns import Spent
from rewards import catalogue, vouchers
from rewards.catalogue import Times, Wallet
from rewards.kinds import Kind
from rewards.models import Redemption, Reward, Voucher
from rewards.pricing import NOTHING_MORE, Asked, price
from rewards.vouchers import IssuedVoucher

Status = Redemption.Status
# What may become what; a state that is said again is no change.
OPEN_FOR = {
    Status.CANCELLED: (Status.PENDING, Status.FULFILLED),
    Status.FULFILLED: (Status.PENDING,),
    Status.FAILED: (Status.PENDING,),
}


class RedemptionClosed(Conflict):
    """It is in a state from which this cannot be done."""

    code = "redemption_closed"


@dataclass(slots=True)
class RedemptionReceipt:
    """One redemption's answer: created, replayed or changed; its voucher with the code; the account of now."""

    status: str
    redemption: Redemption
    voucher: Voucher | None
    code: str
    balance: Row


@db.command
def redeem(
    *,
    customer: Customer,
    reward: Reward,
    reference: str,
    at: datetime,
    by: str = "",
    source: str = "api",
    asked: Asked = NOTHING_MORE,
    pool: Customer | None = None,
) -> RedemptionReceipt:
    """
    Spend points on a reward, once per reference. Saying it again answers the first result.

    With `pool`, the holder of the customer's household, its points pay; tier, caps and voucher are the
    customer's own.

    :raises NotFound: there is no such customer here
    :raises CustomerErased: the customer was erased
    :raises RewardNotAvailable: switched off, out of its dates, or not for this customer's tier
    :raises RewardOutOfStock: none is left
    :raises RewardLimitReached: the customer or everybody had it as often as it may be had
    :raises NotEnoughPoints: fewer points are available than it costs
    :raises AccountInDebt: the customer owes points
    :raises CustomerBlocked: the shop blocked the customer
    :raises PaymentTooSmall: points as payment: nothing can be paid
    :raises NotAMember: the customer is not in the household whose pool is to pay
    :raises ReferenceReused: the reference is taken by another redemption
    """
    merchant = customer.merchant
    work = Desk(merchant=merchant, source=source, at=at, by=by, program_id=reward.program_id)
    person, payer = _gather(work, customer.pk, pool.pk if pool else None, reference)
    if person.status == Customer.Status.ERASED:
        raise CustomerErased("This customer has been erased.", faults=[Fault("/customer", "gone", "erased")])
    if first := _earlier(work, reference):
        return _repeat(work, person, first, reward, asked, pool)
    purchases.admit(person)
    if pool is not None:
        households.place_in(holder_id=pool.pk, customer_id=person.customer_id)
    catalogue.free_lapsed(reward, at=at)
    if reward.per_day is not None:
        # Two customers hold two accounts: of a cap on everybody the reward itself is the lock.
        reward = Reward.objects.select_for_update().get(pk=reward.pk, merchant=merchant)
    kind, params = catalogue.kind_of(reward)
    refuse(work, person, reward, payer=payer)
    available = work.account(payer.membership_id).available
    points, worth = price(work, available, reward, kind, params, asked)
    catalogue.take_one(reward, at=at)
    row = new_row(work, person, reward, kind, reference) | {
        "points": points,
        "worth": worth,
        "purchase_reference": asked.purchase_reference,
        "payer_id": pool.pk if pool else None,
        "membership_id": payer.membership_id,
    }
    if points:
        _spend(work, payer, row)
    return _record(work, person, reward, kind, row)


def _gather(
    work: Desk, customer_id: int, payer_id: int | None, *references: str
) -> tuple[lookup.Person, lookup.Person]:
    """
    Lock the accounts of a customer and of who pays, and return the two; they are one without a payer. What the
    references said before is asked for with the locks.

    :raises NotFound: there is no such customer here
    """
    asked = [(number, None) for number in (customer_id, payer_id) if number is not None]
    found = lookup.people(merchant=work.merchant, plan=work.plan, asked=asked, at=work.at)
    person, payer = found[0], found[-1]
    if person is None:
        raise NotFound(
            "There is no such object.", faults=[Fault("/customer", "not_found", "There is no such object")]
        )
    assert payer is not None
    looks = [(one, work.at) for one in {person, payer}]
    desk.gather(work, looks=looks, references=references, lots=True)
    return person, payer


def _earlier(work: Desk, reference: str) -> Redemption | None:
    number = work.said.get(("redemption", reference))
    if number is None:
        return None
    rows = Redemption.objects.filter(merchant=work.merchant, pk=number)
    return rows.select_related("voucher", "reward").first()


def _repeat(
    work: Desk,
    person: lookup.Person,
    first: Redemption,
    reward: Reward,
    asked: Asked,
    pool: Customer | None,
) -> RedemptionReceipt:
    said: Row = {"customer": person.customer_id, "reward": reward.pk}
    was: Row = {"customer": first.customer_id, "reward": first.reward_id}
    if pool is not None:
        said["household"], was["household"] = pool.pk, first.payer_id
    for name in ("points", "basket_minor", "purchase_reference"):
        if value := getattr(asked, name):
            said[name] = value
            was[name] = (
                first.purchase_reference if name == "purchase_reference" else first.worth.get(f"asked_{name}")
            )
    differ = [name for name in said if said[name] != was[name]]
    if differ:
        raise ReferenceReused(first.reference, of="another redemption", differ=differ)
    balance = work.balance(person.membership_id)
    desk.write(work)
    return _receipt("replayed", first, balance)


def refuse(
    work: Desk,
    person: lookup.Person,
    reward: Reward,
    *,
    payer: lookup.Person | None = None,
    available: int | None = None,
    beside: int = 0,
) -> None:
    """
    Refuse what cannot be had now. `payer` is whose points pay, if not the customer's; `available` are the
    points there are, if not the account's; `beside` a hold that asks and is not counted.

    :raises Refused: see `redeem`
    """
    account = work.account((payer or person).membership_id)
    wallet = Wallet(
        work.standings[person.membership_id].tier,
        account.available if available is None else available,
        account.debt,
        catalogue.segments_of([reward], merchant_id=work.merchant.pk, customer_id=person.customer_id),
    )
    counted = catalogue.times(
        work.plan,
        merchant_id=work.merchant.pk,
        customer_id=person.customer_id,
        rewards=[reward],
        at=work.at,
        beside=beside,
    )
    refusal = catalogue.why_not(reward, wallet, counted.get(reward.pk, Times()), at=work.at)
    if refusal is not None:
        raise refusal


def new_row(work: Desk, person: lookup.Person, reward: Reward, kind: Kind, reference: str) -> Row:
    """Return the columns of a new redemption, for which no points were taken yet."""
    return {
        "id": public_ids.new(),
        "merchant_id": work.merchant.pk,
        "reward_id": reward.pk,
        "customer_id": person.customer_id,
        "payer_id": None,
        "membership_id": person.membership_id,
        "status": str(Status.PENDING if kind.needs_handing_over else Status.FULFILLED),
        "reward_name": reward.name,
        "source": work.source,
        "reference": reference,
        "purchase_reference": "",
        "hold_id": None,
        "entry_id": None,
        "returned": 0,
        "by": work.by,
        "note": "",
        "occurred_at": work.at,
        "recorded_at": work.at,
        "closed_at": None if kind.needs_handing_over else work.at,
    }


def _spend(work: Desk, person: lookup.Person, row: Row) -> None:
    account = work.account(person.membership_id)
    work.book.spend(account, row["points"], cause=_cause(work, "redeem", row["id"], row))
    row["entry_id"] = int(account.entries[-1]["id"])
    if work.plan.expiry.mode == "inactivity":
        account.active_at = max(work.at, account.active_at or work.at)
        work.book.move_expiry(account, to=work.plan.expiry.ends(work.at, zone=work.plan.zone))


def _cause(work: Desk, code: str, number: int, row: Row) -> Cause:
    reason = {
        "code": code,
        "reward": row["reward_name"],
        "redemption": public_ids.show(Redemption.prefix, number),
    }
    return Cause(work.at, row["reference"], reason=reason, by=work.by)


def _record(work: Desk, person: lookup.Person, reward: Reward, kind: Kind, row: Row) -> RedemptionReceipt:
    work.references.append(
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=work.source,
            kind="redemption",
            reference=row["reference"],
            target_id=row["id"],
            at=work.at,
        )
    )
    redemption = Redemption(**row)
    redemption.reward = reward
    note(work, "reward.redeemed", person.customer_id, redemption)
    receipt = RedemptionReceipt("created", redemption, None, "", work.balance(person.membership_id))
    # One statement writes it all, with the voucher and the answer that is kept.
    with db.together():
        if kind.makes_voucher:
            issued = issue(work, redemption, reward, valid_days=reward.valid_days)
            receipt.voucher, receipt.code = issued.voucher, issued.code
        db.insert(Redemption, [row])
        desk.write(work, answer=receipt)
    return receipt


@db.inside_transaction
def issue(
    work: Desk, redemption: Redemption, reward: Reward, *, valid_days: int | None, origin: str = "redemption"
) -> IssuedVoucher:
    """Issue the voucher that a redemption promises."""
    return vouchers.issue(
        merchant=work.merchant,
        name=redemption.reward_name,
        worth=redemption.worth,
        at=work.at,
        by=work.by,
        origin=origin,
        reference=redemption.public_id,
        customer=Customer(pk=redemption.customer_id, merchant=work.merchant),
        reward=reward,
        redemption_id=redemption.pk,
        expires_at=catalogue.voucher_ends(work.plan, valid_days, at=work.at),
    )


# --- afterwards -----------------------------------------------------------------------------------------


@db.command
def cancel(*, redemption: Redemption, at: datetime, by: str = "", reason: str = "") -> RedemptionReceipt:
    """
    Undo a redemption: points back to their lots, one back on the shelf, its voucher is worth nothing.

    The points keep their expiry, but have at least the program's `min_days_left` again. Repeating changes
    nothing.

    :raises RedemptionClosed: it failed, and its points are back already
    :raises VoucherRedeemed: its voucher was used
    """
    return _close(redemption, Status.CANCELLED, at=at, by=by, reason=reason)


@db.command
def fail(*, redemption: Redemption, at: datetime, by: str, reason: str = "") -> RedemptionReceipt:
    """
    Say that goods could not be handed over: points and stock come back. Repeating changes nothing.

    :raises RedemptionClosed: they were handed over, or it was cancelled
    """
    return _close(redemption, Status.FAILED, at=at, by=by, reason=reason)


@db.command
def fulfill(*, redemption: Redemption, at: datetime, by: str, reason: str = "") -> RedemptionReceipt:
    """
    Say that goods were handed over. Repeating changes nothing.

    :raises RedemptionClosed: it was cancelled or failed
    """
    return _close(redemption, Status.FULFILLED, at=at, by=by, reason=reason)


@db.inside_transaction
def _close(redemption: Redemption, to: Status, *, at: datetime, by: str, reason: str) -> RedemptionReceipt:
    merchant = redemption.merchant
    work = Desk(
        merchant=merchant,
        source=redemption.source,
        at=at,
        by=by,
        program_id=redemption.reward.program_id,
    )
    person, payer = _gather(work, redemption.customer_id, redemption.payer_id)
    rows = Redemption.objects.select_for_update(of=("self",)).filter(merchant=merchant)
    now = rows.select_related("reward", "voucher").get(pk=redemption.pk)
    status = "replayed" if now.status == to else "changed"
    if status == "changed":
        if now.status not in OPEN_FOR[to]:
            raise RedemptionClosed(f"The redemption is {now.status}: it cannot become {to}.")
        if to != Status.FULFILLED:
            _give_back(work, payer, now, to)
        now.status, now.note, now.closed_at = to, reason[:300], at
        now.save(update_fields=["status", "note", "closed_at"])
        note(work, f"redemption.{to}", person.customer_id, now)
    balance = work.balance(person.membership_id)
    desk.write(work)
    return _receipt(status, now, balance)


def _give_back(work: Desk, payer: lookup.Person, redemption: Redemption, to: Status) -> None:
    if voucher := _voucher(redemption):
        vouchers.cancel(voucher=voucher, at=work.at, by=work.by)
    spent = points_of(work, payer.membership_id, redemption)
    # What a refund gave back already does not come back twice.
    if spent is not None and (points := spent.points - spent.returned):
        row = {"reward_name": redemption.reward_name, "reference": redemption.reference}
        _, parts = ledger.parts_of(
            work.book,
            spent.account,
            entry_id=spent.entry_id,
            passed=spent.returned,
            points=points,
            until=work.at + timedelta(days=work.plan.refund_min_days_left),
        )
        cause = _cause(work, f"redemption_{to}", redemption.pk, row)
        work.book.give_back(spent.account, parts, cause=cause)
        spent.keep(spent.points)
        work.book.settle(spent.account, at=work.at)
    catalogue.put_back(merchant_id=work.merchant.pk, reward_id=redemption.reward_id)


@db.inside_transaction
def points_of(work: Desk, membership_id: int, redemption: Redemption) -> Spent | None:
    """Return the points a redemption took, for `returns`; None when it took none. What a hold took, it counts."""
    if redemption.hold_id is not None:
        return returns.of_hold(work, redemption.hold_id)
    if redemption.entry_id is None:
        return None
    return Spent(
        work.account(membership_id),
        redemption.entry_id,
        redemption.points,
        redemption.returned,
        partial(_keep_returned, redemption),
    )


def _keep_returned(redemption: Redemption, returned: int) -> None:
    redemption.returned = returned
    redemption.save(update_fields=["returned"])


def note(work: Desk, kind: str, customer_id: int, redemption: Redemption) -> None:
    data = {
        "redemption": redemption.public_id,
        "reward": redemption.reward_name,
        "reward_id": public_ids.show(Reward.prefix, redemption.reward_id),
        "kind": redemption.worth.get("kind", ""),
        "points": redemption.points,
    }
    work.note(kind, customer_id=customer_id, at=work.at, data=data)


def _voucher(redemption: Redemption) -> Voucher | None:
    return getattr(redemption, "voucher", None)


def _receipt(status: str, redemption: Redemption, balance: Row) -> RedemptionReceipt:
    voucher = _voucher(redemption)
    code = vouchers.code_of(voucher) if voucher else ""
    return RedemptionReceipt(status, redemption, voucher, code, balance)
