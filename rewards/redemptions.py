"""
Points spent on rewards, and given back.

One command each: the account is locked, the shelf and the caps are asked, points are taken, what the
reward's kind promises is issued. Giving back is repeatable by state and returns the points to the lots
they came from.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from customers.models import Customer
from customers.people import CustomerErased
from lib import db, public_ids
from lib.errors import Conflict, Fault, Malformed, NotFound, ReferenceReused, Refused
from loyalty import desk, known, ledger, lookup, purchases
from loyalty.desk import Desk, Row
from loyalty.ledger import Cause
from rewards import catalogue, vouchers
from rewards.catalogue import Times, Wallet
from rewards.kinds import Kind
from rewards.models import Redemption, Reward, Voucher
from rewards.payment import payment

Status = Redemption.Status
PAYMENT = "points_as_payment"
# What may become what; a state that is said again is no change.
OPEN_FOR = {
    Status.CANCELLED: (Status.PENDING, Status.FULFILLED),
    Status.FULFILLED: (Status.PENDING,),
    Status.FAILED: (Status.PENDING,),
}


class RedemptionClosed(Conflict):
    """It is in a state from which this cannot be done."""

    code = "redemption_closed"


class BasketMissing(Malformed):
    code = "basket_missing"


class PaymentTooSmall(Refused):
    """Not one whole step can be paid, or fewer points than the minimum would be used."""

    code = "payment_too_small"


@dataclass(slots=True)
class RedemptionReceipt:
    """One redemption's answer: created, replayed or changed; its voucher with the code; the account of now."""

    status: str
    redemption: Redemption
    voucher: Voucher | None
    code: str
    balance: Row


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked for. Points as payment say `points`, `basket_minor` (the purchase, in minor units) or both.
    """

    points: int | None = None
    basket_minor: int | None = None
    purchase_reference: str = ""


NOTHING_MORE = Asked()


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
) -> RedemptionReceipt:
    """
    Spend points on a reward, once per reference. Saying it again answers the first result.

    :raises NotFound: there is no such customer here
    :raises CustomerErased: the customer was erased
    :raises RewardNotAvailable: switched off, out of its dates, or not for this customer's tier
    :raises RewardOutOfStock: none is left
    :raises RewardLimitReached: the customer or everybody had it as often as it may be had
    :raises NotEnoughPoints: fewer points are available than it costs
    :raises AccountInDebt: the customer owes points
    :raises CustomerBlocked: the shop blocked the customer
    :raises PaymentTooSmall: points as payment: nothing can be paid
    :raises ReferenceReused: the reference is taken by another redemption
    """
    merchant = customer.merchant
    work = Desk(merchant=merchant, source=source, at=at, by=by, program_id=reward.program_id)
    person = _person(work, customer)
    desk.gather(work, looks=[(person, at)], references=[reference], lots=True)
    if first := _earlier(work, reference):
        return _repeat(work, person, first, reward, asked)
    purchases.admit(person)
    if reward.per_day is not None:
        # Two customers hold two accounts: of a cap on everybody the reward itself is the lock.
        reward = Reward.objects.select_for_update().get(pk=reward.pk, merchant=merchant)
    kind, params = catalogue.kind_of(reward)
    _refuse(work, person, reward)
    points, worth = _price(work, person, reward, kind, params, asked)
    catalogue.take_one(reward)
    row = _row(work, person, reward, kind, reference, asked) | {"points": points, "worth": worth}
    if points:
        _spend(work, person, row)
    return _record(work, person, reward, kind, row)


def _person(work: Desk, customer: Customer) -> lookup.Person:
    person = lookup.people(merchant=work.merchant, plan=work.plan, asked=[(customer.pk, None)], at=work.at)[0]
    if person is None:
        raise NotFound(
            "There is no such object.", faults=[Fault("/customer", "not_found", "There is no such object")]
        )
    if person.status == Customer.Status.ERASED:
        raise CustomerErased("This customer has been erased.", faults=[Fault("/customer", "gone", "erased")])
    return person


def _earlier(work: Desk, reference: str) -> Redemption | None:
    number = work.said.get(("redemption", reference))
    if number is None:
        return None
    rows = Redemption.objects.filter(merchant=work.merchant, pk=number)
    return rows.select_related("voucher", "reward").first()


def _repeat(
    work: Desk, person: lookup.Person, first: Redemption, reward: Reward, asked: Asked
) -> RedemptionReceipt:
    said: Row = {"customer": person.customer_id, "reward": reward.pk}
    was: Row = {"customer": first.customer_id, "reward": first.reward_id}
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


def _refuse(work: Desk, person: lookup.Person, reward: Reward) -> None:
    account = work.account(person.membership_id)
    wallet = Wallet(work.standings[person.membership_id].tier, account.available, account.debt)
    counted = catalogue.times(
        work.plan, merchant_id=work.merchant.pk, customer_id=person.customer_id, rewards=[reward], at=work.at
    )
    refusal = catalogue.why_not(reward, wallet, counted.get(reward.pk, Times()), at=work.at)
    if refusal is not None:
        raise refusal


def _price(
    work: Desk, person: lookup.Person, reward: Reward, kind: Kind, params: Any, asked: Asked
) -> tuple[int, Row]:
    """Return the points it takes and what it is worth."""
    worth = kind.worth(params, name=reward.name, currency=work.merchant.currency)
    if kind.kind != PAYMENT:
        if asked.points is not None or asked.basket_minor is not None:
            raise Malformed(
                "Only points as payment are asked for by points or basket.",
                faults=[Fault("/points", "not_a_payment", "leave out points and basket_minor")],
            )
        return reward.cost, worth
    if asked.basket_minor is None and (asked.points is None or params.max_percent < 100):
        raise BasketMissing(
            "Say what the purchase costs: points pay a part of it.",
            faults=[Fault("/basket_minor", "required", "the purchase in minor units")],
        )
    paid = payment(
        step_points=reward.cost,
        step_minor=params.amount_minor,
        available=work.account(person.membership_id).available,
        points=asked.points,
        basket_minor=asked.basket_minor,
        min_points=params.min_points,
        max_percent=params.max_percent,
    )
    if not paid.points:
        raise PaymentTooSmall(
            f"Points pay from {catalogue.least_points(reward)} on, at most {params.max_percent} % of a purchase."
        )
    said = {"asked_points": asked.points, "asked_basket_minor": asked.basket_minor}
    return paid.points, {
        **worth,
        "amount_minor": paid.amount_minor,
        **{name: value for name, value in said.items() if value is not None},
    }


def _row(work: Desk, person: lookup.Person, reward: Reward, kind: Kind, reference: str, asked: Asked) -> Row:
    return {
        "id": public_ids.new(),
        "merchant_id": work.merchant.pk,
        "reward_id": reward.pk,
        "customer_id": person.customer_id,
        "membership_id": person.membership_id,
        "status": str(Status.PENDING if kind.needs_handing_over else Status.FULFILLED),
        "reward_name": reward.name,
        "source": work.source,
        "reference": reference,
        "purchase_reference": asked.purchase_reference,
        "hold_id": None,
        "entry_id": None,
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
    _note(work, "reward.redeemed", person.customer_id, redemption)
    receipt = RedemptionReceipt("created", redemption, None, "", work.balance(person.membership_id))
    # One statement writes it all, with the voucher and the answer that is kept.
    with db.together():
        if kind.makes_voucher:
            issued = vouchers.issue(
                merchant=work.merchant,
                name=reward.name,
                worth=row["worth"],
                at=work.at,
                by=work.by,
                origin="redemption",
                reference=redemption.public_id,
                customer=Customer(pk=person.customer_id, merchant=work.merchant),
                reward=reward,
                redemption_id=row["id"],
                expires_at=catalogue.voucher_ends(work.plan, reward, at=work.at),
            )
            receipt.voucher, receipt.code = issued.voucher, issued.code
        db.insert(Redemption, [row])
        desk.write(work, answer=receipt)
    return receipt


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
    asked = [(redemption.customer_id, None)]
    person = lookup.people(merchant=merchant, plan=work.plan, asked=asked, at=at)[0]
    assert person is not None
    desk.gather(work, looks=[(person, at)], lots=True)
    rows = Redemption.objects.select_for_update(of=("self",)).filter(merchant=merchant)
    now = rows.select_related("reward", "voucher").get(pk=redemption.pk)
    status = "replayed" if now.status == to else "changed"
    if status == "changed":
        if now.status not in OPEN_FOR[to]:
            raise RedemptionClosed(f"The redemption is {now.status}: it cannot become {to}.")
        if to != Status.FULFILLED:
            _give_back(work, person, now, to)
        now.status, now.note, now.closed_at = to, reason[:300], at
        now.save(update_fields=["status", "note", "closed_at"])
        _note(work, f"redemption.{to}", person.customer_id, now)
    balance = work.balance(person.membership_id)
    desk.write(work)
    return _receipt(status, now, balance)


def _give_back(work: Desk, person: lookup.Person, redemption: Redemption, to: Status) -> None:
    if voucher := _voucher(redemption):
        vouchers.cancel(voucher=voucher, at=work.at, by=work.by)
    if redemption.entry_id is not None:
        account = work.account(person.membership_id)
        row = {"reward_name": redemption.reward_name, "reference": redemption.reference}
        until = work.at + timedelta(days=work.plan.refund_min_days_left)
        work.book.give_back(
            account,
            ledger.taken(work.book, account, entry_id=redemption.entry_id, until=until),
            cause=_cause(work, f"redemption_{to}", redemption.pk, row),
        )
        work.book.settle(account, at=work.at)
    catalogue.put_back(merchant_id=work.merchant.pk, reward_id=redemption.reward_id)


def _note(work: Desk, kind: str, customer_id: int, redemption: Redemption) -> None:
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
