"""
A hold that names a reward: its points, and one piece of it, kept for a checkout.

Price, caps and stock are asked and taken in the transaction of the hold. What was promised then is kept:
capturing redeems the reward at that price, whatever was changed since. `loyalty.holds` moves the points
and calls this room for the rest (see `loyalty.purposes`); the piece comes back whenever the hold ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.models import Customer
from lib import db
from lib.errors import Refused
from loyalty import holds, purchases
from loyalty.desk import Desk
from loyalty.holds import HoldReceipt
from loyalty.ledger import HoldState
from loyalty.lookup import Person
from rewards import catalogue, pricing, redemptions, vouchers
from rewards.catalogue import Times
from rewards.kinds import KINDS, Kind
from rewards.models import Redemption, Reservation, Reward, Voucher
from rewards.pricing import NOTHING_MORE, Asked

__all__ = ["PURPOSE", "Promise", "create", "promise"]

Status = Reservation.Status


class NothingToHold(Refused):
    """It costs nothing: it can be redeemed when the sale is told."""

    code = "nothing_to_hold"


@dataclass(slots=True)
class Promise:
    """
    What a hold has set aside of a reward; once it was captured, the redemption with its voucher and code.

    `changed` names what of the reward is not as it was promised any more: `cost`, `name`, `worth`,
    `offer` (it was withdrawn, or its time is over).
    """

    reservation: Reservation
    changed: list[str]
    redemption: Redemption | None = None
    voucher: Voucher | None = None
    code: str = ""


@db.command
def create(
    *,
    customer: Customer,
    reward: Reward,
    reference: str,
    at: datetime,
    by: str = "",
    ttl_seconds: int | None = None,
    source: str = "api",
    asked: Asked = NOTHING_MORE,
) -> HoldReceipt:
    """
    Set a reward aside for a checkout, and the points it costs now. Repeating and replacing are those of
    `holds.create`; a repeat keeps the first price.

    :raises NothingToHold: it costs nothing
    :raises RewardNotAvailable: switched off, out of its dates, or not for this customer's tier
    :raises RewardOutOfStock: none is left
    :raises RewardLimitReached: had, or held, as often as it may be
    :raises NotEnoughPoints: fewer points are available than it costs
    :raises AccountInDebt: the customer owes points
    :raises CustomerBlocked: the customer may not use points
    :raises PaymentTooSmall: points as payment: nothing can be paid
    :raises ReferenceReused: the reference has another hold, which was captured or cancelled
    """
    holds.check_life(ttl_seconds)
    work = Desk(merchant=customer.merchant, source=source, at=at, by=by, program_id=reward.program_id)
    person, hold = holds.begin(work, customer=customer, reference=reference)
    purpose = _purpose(reward, asked)
    if hold is not None and not holds.differing_from(
        work, person, hold, ttl_seconds=ttl_seconds, purpose=purpose
    ):
        return holds.close(work, person.membership_id, hold, "replayed")
    status = "replaced" if hold else "created"
    row = _promise(work, person, reward, hold, asked)
    hold = holds.place(
        work, person, hold, row.points, reference=reference, ttl_seconds=ttl_seconds, purpose=purpose
    )
    # What the hold kept before is back on the shelf by now.
    catalogue.take_one(reward, at=at)
    _keep(row, hold)
    return holds.close(work, person.membership_id, hold, status)


def _purpose(reward: Reward, asked: Asked) -> dict[str, Any]:
    """Return what the hold is for: what a repeat is compared on."""
    said = {"asked_points": asked.points, "asked_basket_minor": asked.basket_minor}
    more = {name: value for name, value in said.items() if value is not None}
    return {"kind": PURPOSE.kind, "reward": reward.public_id, **more}


def _promise(work: Desk, person: Person, reward: Reward, hold: HoldState | None, asked: Asked) -> Reservation:
    """Ask for the price, the caps and the shelf, beside what the hold has already, and return the promise."""
    purchases.admit(person)
    beside = 0 if hold is None else hold.id
    account = work.account(person.membership_id)
    is_same = any(one.id == beside for one in account.holds)
    available = account.available + (hold.reserves if hold and is_same else 0)
    if beside:
        _let_go(work.merchant.pk, [beside])
        reward.refresh_from_db(fields=["stock"])
    catalogue.free_lapsed(reward, at=work.at)
    if reward.per_day is not None:
        # Two customers hold two accounts: of a cap on everybody the reward itself is the lock.
        reward = Reward.objects.select_for_update().get(pk=reward.pk, merchant=work.merchant)
    kind, params = catalogue.kind_of(reward)
    redemptions.refuse(work, person, reward, available=available, beside=beside)
    points, worth = pricing.price(work, available, reward, kind, params, asked)
    if not points:
        raise NothingToHold("This reward costs nothing: redeem it when the sale is told.")
    return Reservation(
        merchant=work.merchant,
        reward=reward,
        customer_id=person.customer_id,
        points=points,
        reward_name=reward.name,
        worth=worth,
        valid_days=reward.valid_days,
        created_at=work.at,
    )


def _keep(row: Reservation, hold: HoldState) -> None:
    """Write the promise; a hold that is replaced has one row all the time."""
    names = ("reward", "customer_id", "points", "reward_name", "worth", "valid_days", "created_at")
    said = {name: getattr(row, name) for name in names}
    Reservation.objects.update_or_create(
        merchant=row.merchant,
        hold_id=hold.id,
        defaults=said | {"status": Status.HELD, "expires_at": hold.expires_at, "redemption": None},
    )


def promise(*, merchant_id: int, hold_id: int, at: datetime) -> Promise | None:
    """Return what a hold has set aside; None when it is for points only."""
    rows = Reservation.objects.filter(merchant=merchant_id, hold_id=hold_id)
    row = rows.select_related("reward", "redemption__voucher").first()
    if row is None:
        return None
    made = row.redemption
    voucher = getattr(made, "voucher", None) if made else None
    code = vouchers.code_of(voucher) if voucher else ""
    return Promise(row, _changed(row, at=at), made, voucher, code)


def _changed(row: Reservation, *, at: datetime) -> list[str]:
    now = row.reward
    found = []
    is_payment = row.worth.get("kind") == pricing.PAYMENT
    if not is_payment and now.cost != row.points:
        found.append("cost")
    if now.name != row.reward_name:
        found.append("name")
    if not is_payment and _worth(now) != _plain(row.worth):
        found.append("worth")
    is_in_time = (now.starts_at is None or now.starts_at <= at) and (now.ends_at is None or at < now.ends_at)
    if not (now.is_active and is_in_time):
        found.append("offer")
    return found


def _worth(reward: Reward) -> dict[str, Any] | None:
    try:
        kind, params = catalogue.kind_of(reward)
    except catalogue.RewardNotAvailable:
        return None
    return _plain(kind.worth(params, name=reward.name, currency=""))


def _plain(worth: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in worth.items() if name not in ("currency", "name")}


# --- what the hold's own verbs ask for ------------------------------------------------------------------


class _Purpose:
    """The verbs that `loyalty.holds` calls: see `loyalty.purposes`."""

    kind = "reward"

    def renew(self, work: Desk, hold: HoldState, *, until: datetime) -> None:
        row = _row(work, hold)
        if row.status == Status.FREED:
            _take_again(work, row)
        row.status, row.expires_at = Status.HELD, until
        row.save(update_fields=["status", "expires_at"])

    def use(self, work: Desk, membership_id: int, hold: HoldState) -> None:
        row = _row(work, hold)
        if row.status == Status.FREED:
            _take_again(work, row)
        elif row.expires_at <= work.at:
            _insist_on_caps(work, row)
        one = work.standings[membership_id]
        kind = _kind(row)
        said = redemptions.new_row(
            work,
            Person(one.customer_id, "", membership_id, one.joined_at),
            row.reward,
            kind,
            hold.reference,
        )
        made = Redemption(**said | _promised(row, hold))
        made.save(force_insert=True)
        row.status, row.redemption = Status.USED, made
        row.save(update_fields=["status", "redemption"])
        redemptions.note(work, "reward.redeemed", one.customer_id, made)
        if kind.makes_voucher:
            redemptions.issue(work, made, row.reward, valid_days=row.valid_days)

    def let_go(self, *, merchant_id: int, holds: Sequence[HoldState]) -> None:
        _let_go(merchant_id, [one.id for one in holds])

    def told(self, *, merchant_id: int, hold_id: int, at: datetime) -> Promise | None:
        return promise(merchant_id=merchant_id, hold_id=hold_id, at=at)


PURPOSE = _Purpose()


def _row(work: Desk, hold: HoldState) -> Reservation:
    rows = Reservation.objects.select_for_update(of=("self",)).select_related("reward")
    return rows.get(merchant=work.merchant, hold_id=hold.id)


def _promised(row: Reservation, hold: HoldState) -> dict[str, Any]:
    return {
        "points": row.points,
        "reward_name": row.reward_name,
        "worth": row.worth,
        "purchase_reference": hold.purchase_reference,
        "hold_id": hold.id,
        "entry_id": hold.entry_id,
    }


def _kind(row: Reservation) -> Kind:
    """Return the plugin that keeps the promise; one whose file is gone makes nothing of its own."""
    try:
        return KINDS[str(row.worth["kind"])]
    except KeyError:
        return Kind()


def _take_again(work: Desk, row: Reservation) -> None:
    """
    Take a piece again for a hold whose own went back to the shelf.

    :raises RewardOutOfStock: none is left
    :raises RewardLimitReached: had, or held, as often as it may be
    """
    catalogue.free_lapsed(row.reward, at=work.at)
    _insist_on_caps(work, row)
    catalogue.take_one(row.reward, at=work.at)


def _insist_on_caps(work: Desk, row: Reservation) -> None:
    if row.reward.per_day is not None:
        Reward.objects.select_for_update().get(pk=row.reward_id)
    counted = catalogue.times(
        work.plan,
        merchant_id=work.merchant.pk,
        customer_id=row.customer_id,
        rewards=[row.reward],
        at=work.at,
        beside=row.hold_id,
    )
    if refusal := catalogue.over_cap(row.reward, counted.get(row.reward_id, Times())):
        raise refusal


def _let_go(merchant_id: int, numbers: Sequence[int]) -> None:
    """Put back what these holds keep, each piece once: what is not held any more stays as it is."""
    held = Reservation.objects.filter(merchant=merchant_id, hold_id__in=numbers, status=Status.HELD)
    for number, reward_id in list(held.order_by("reward_id", "pk").values_list("pk", "reward_id")):
        if Reservation.objects.filter(pk=number, status=Status.HELD).update(status=Status.FREED):
            catalogue.put_back(merchant_id=merchant_id, reward_id=reward_id)
