"""Which rewards there are, and which of them a customer may see, afford and redeem now, or why not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import (
    BooleanField,
    Count,
    DateTimeField,
    F,
    Field,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Coalesce, Greatest
from pydantic import ValidationError

from customers import segments
from lib import db, public_ids
from lib.errors import Refused
from loyalty import balances, calendar, programs
from loyalty.ledger import AccountInDebt, NotEnoughPoints
from loyalty.plan import Plan
from merchants.models import Merchant
from rewards.kinds import KINDS, Kind
from rewards.models import Reservation, Reward

COUNTING = ("pending", "fulfilled")
_FIELDS = Reward._meta.concrete_fields
_NAMES = [field.attname for field in _FIELDS]
_PICK = ", ".join(f'r."{field.column}"' for field in _FIELDS)


class RewardNotAvailable(Refused):
    """It is switched off, not on these days, or not for this customer."""

    code = "reward_not_available"


class RewardOutOfStock(Refused):
    code = "reward_out_of_stock"


class RewardLimitReached(Refused):
    """The customer, or everybody together today, had it as often as it may be had."""

    code = "reward_limit_reached"


@dataclass(frozen=True, slots=True)
class Times:
    """
    How often a reward was redeemed: ever by one customer, and today by everybody. What a live hold has set
    aside counts as redeemed.
    """

    by_customer: int = 0
    today: int = 0


@dataclass(frozen=True, slots=True)
class Wallet:
    """What of a customer decides about rewards."""

    tier: str = ""
    available: int = 0
    debt: int = 0
    segments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward as one customer sees it: `refusal` says why it cannot be redeemed now, None that it can."""

    reward: Reward
    missing_points: int
    refusal: Refused | None

    @property
    def can_be_redeemed(self) -> bool:
        return self.refusal is None


def kind_of(reward: Reward) -> tuple[Kind, Any]:
    """
    Return the plugin of a reward and its settings.

    :raises RewardNotAvailable: the plugin's file is gone, or reads other settings by now
    """
    try:
        kind = KINDS[reward.kind]
        return kind, kind.Params.model_validate(reward.params)
    except (KeyError, ValidationError):
        raise RewardNotAvailable(
            "This reward cannot be redeemed: its settings are not what its kind takes. Check it in the admin."
        ) from None


def find(*, merchant: Merchant, name: str, program_id: int | None = None) -> Reward | None:
    """Return the merchant's reward of this id or code, None when there is none; of a program, if one is said."""
    number = public_ids.read(Reward.prefix, name)
    wanted, value = ("r.code = %s", name) if number is None else ("r.id = %s", number)
    only = "" if program_id is None else "AND r.program_id = %s"
    row = db.ask(
        f"SELECT {_PICK} FROM rewards_reward r WHERE r.merchant_id = %s AND {wanted} {only} "
        "ORDER BY r.program_id LIMIT 1",
        [merchant.pk, value, *([program_id] if only else [])],
    ).one
    return None if row is None else Reward.from_db(DEFAULT_DB_ALIAS, _NAMES, list(map(_read, _FIELDS, row)))


def _read(field: "Field[Any, Any]", value: Any) -> Any:
    match field:
        case JSONField():
            return db.loaded(value)
        case DateTimeField():
            return db.time(value)
        case BooleanField():
            return bool(value)
    return value


def on_offer(*, merchant: Merchant, at: datetime, program_id: int | None = None) -> "QuerySet[Reward]":
    """Return the rewards that are switched on and within their dates, those of other tiers too."""
    plan = programs.current(merchant=merchant, program_id=program_id)
    return Reward.objects.filter(
        Q(starts_at__isnull=True) | Q(starts_at__lte=at),
        Q(ends_at__isnull=True) | Q(ends_at__gt=at),
        merchant=merchant,
        program_id=plan.program_id,
        is_active=True,
    )


def offers(
    *, merchant: Merchant, customer_id: int, at: datetime, program_id: int | None = None
) -> list[Offer]:
    """
    Return the rewards a customer may see, what can be redeemed now first, in three statements however many; in one
    more where one has sold out (an ended hold may have left a piece) or is for some segments only.

    :raises NotFound: there is no such customer here
    """
    plan = programs.current(merchant=merchant, program_id=program_id)
    said = balances.balance(merchant=merchant, customer_id=customer_id, at=at, program_id=plan.program_id)
    found = list(on_offer(merchant=merchant, at=at, program_id=plan.program_id))
    wallet = Wallet(
        said["tier"]["name"] or "",
        said["available"],
        said["debt"],
        segments_of(found, merchant_id=merchant.pk, customer_id=customer_id),
    )
    rewards = [reward for reward in found if is_for(reward, tier=wallet.tier, segments=wallet.segments)]
    count_lapsed(rewards, at=at)
    counts = times(plan, merchant_id=merchant.pk, customer_id=customer_id, rewards=rewards, at=at)
    shown = [offer(reward, wallet, counts.get(reward.pk, Times()), at=at) for reward in rewards]
    return sorted(shown, key=lambda one: (not one.can_be_redeemed, one.missing_points > 0))


def offer(reward: Reward, wallet: Wallet, counted: Times, *, at: datetime) -> Offer:
    """Return a reward as a customer with this wallet sees it."""
    try:
        missing = max(0, least_points(reward) - wallet.available)
        refusal = why_not(reward, wallet, counted, at=at)
    except RewardNotAvailable as broken:
        missing, refusal = 0, broken
    return Offer(reward, missing, refusal)


def least_points(reward: Reward) -> int:
    """Return the points that must be there: of points as payment one step, or its minimum if that is more."""
    _kind, params = kind_of(reward)
    return max(reward.cost, getattr(params, "min_points", 0))


def segments_of(rewards: Iterable[Reward], *, merchant_id: int, customer_id: int) -> frozenset[str]:
    """Return the segments the customer is in; asked only where one of the rewards is for some segments."""
    if not any(reward.segments for reward in rewards):
        return frozenset()
    found = segments.of_customers(merchant_id=merchant_id, customers=[customer_id])
    return found.get(customer_id, frozenset())


def is_for(reward: Reward, *, tier: str, segments: Iterable[str]) -> bool:
    """Tell whether customers of this tier and these segments may see the reward."""
    is_in_tier = not reward.tiers or tier in reward.tiers
    return is_in_tier and (not reward.segments or not set(reward.segments).isdisjoint(segments))


def is_on_offer(reward: Reward, *, at: datetime) -> bool:
    """Tell whether the reward is switched on and within its dates."""
    return reward.is_active and (
        (reward.starts_at is None or reward.starts_at <= at)
        and (reward.ends_at is None or at < reward.ends_at)
    )


def why_not(reward: Reward, wallet: Wallet, counted: Times, *, at: datetime) -> Refused | None:
    """Return what refuses a redemption now; None when nothing does."""
    if not (is_on_offer(reward, at=at) and is_for(reward, tier=wallet.tier, segments=wallet.segments)):
        return RewardNotAvailable(f"{reward.name} is not on offer for this customer now.")
    if reward.stock is not None and reward.stock <= 0:
        return out_of_stock(reward)
    if refusal := over_cap(reward, counted):
        return refusal
    needed = least_points(reward)
    if wallet.debt and needed:
        return AccountInDebt(f"The account owes {wallet.debt} points; new points pay that first.")
    if wallet.available < needed:
        return NotEnoughPoints(f"{needed} points are needed, {wallet.available} are available.")
    return None


def over_cap(reward: Reward, counted: Times) -> RewardLimitReached | None:
    """Return what refuses a reward that was had as often as it may be."""
    if reward.per_customer is not None and counted.by_customer >= reward.per_customer:
        return RewardLimitReached(f"{reward.name} was redeemed as often as one customer may.")
    if reward.per_day is not None and counted.today >= reward.per_day:
        return RewardLimitReached(f"{reward.name} was redeemed as often as it may be today; try tomorrow.")
    return None


def out_of_stock(reward: Reward) -> RewardOutOfStock:
    """Return the refusal for a reward of which none is left."""
    return RewardOutOfStock(f"{reward.name} is out of stock.")


def times(
    plan: Plan,
    *,
    merchant_id: int,
    customer_id: int,
    rewards: Iterable[Reward],
    at: datetime,
    beside: int = 0,
) -> Mapping[int, Times]:
    """
    Return how often these rewards were redeemed or are held, those with a cap only: one statement, none
    without caps. The hold `beside` is not counted: it is the one that asks.
    """
    capped = [one for one in rewards if one.per_customer is not None or one.per_day is not None]
    if not capped:
        return {}
    source, params = db.given({"id": "bigint"}, [(one.pk,) for one in capped])
    counting, states = db.any_of("x.status", "text", COUNTING)
    count = (
        "SELECT COUNT(*) FROM rewards_redemption x "
        f"WHERE x.merchant_id = %s AND x.reward_id = given.id AND {counting}"
    )
    held = (
        "SELECT COUNT(*) FROM rewards_reservation v WHERE v.merchant_id = %s AND v.reward_id = given.id "
        "AND v.status = 'held' AND v.expires_at > %s AND v.hold_id <> %s"
    )
    today = calendar.midnight(plan.local(at).date(), plan.zone)
    live = [merchant_id, at, beside]
    rows = db.ask(
        f"SELECT given.id, ({count} AND x.customer_id = %s) + ({held} AND v.customer_id = %s), "
        f"({count} AND x.recorded_at >= %s) + ({held}) FROM {source}",
        [
            *(merchant_id, *states, customer_id, *live, customer_id),
            *(merchant_id, *states, today, *live, *params),
        ],
    ).rows
    return {number: Times(int(ever), int(day)) for number, ever, day in rows}


def voucher_ends(plan: Plan, valid_days: int | None, *, at: datetime) -> datetime | None:
    """Return when a voucher issued now ends: at midnight after its last day; None without an end."""
    if valid_days is None:
        return None
    last = plan.local(at).date() + timedelta(days=valid_days)
    return calendar.midnight(last + timedelta(days=1), plan.zone).astimezone(UTC)


# --- stock --------------------------------------------------------------------------------------------


@db.inside_transaction
def take_one(reward: Reward, *, at: datetime) -> None:
    """
    Take one off the shelf, never below none: the statement itself looks, so two tills cannot both get the last.

    :raises RewardOutOfStock: none is left
    """
    if reward.stock is None or _took_one(reward):
        return
    # It may have become one without an end since it was read, or an ended hold may have left a piece.
    if Reward.objects.filter(pk=reward.pk, stock__isnull=True).exists():
        return
    if not (_free(reward, at=at) and _took_one(reward)):
        raise out_of_stock(reward)


def _took_one(reward: Reward) -> bool:
    there = Reward.objects.filter(merchant_id=reward.merchant_id, pk=reward.pk, stock__gt=0)
    return bool(there.update(stock=F("stock") - 1))


@db.inside_transaction
def put_back(*, merchant_id: int, reward_id: int, pieces: int = 1) -> None:
    """Put pieces back on the shelf; a reward without stock has none to count."""
    Reward.objects.filter(merchant_id=merchant_id, pk=reward_id, stock__isnull=False).update(
        stock=F("stock") + pieces
    )


def count_lapsed(rewards: Iterable[Reward], *, at: datetime) -> None:
    """
    Count as left, in memory, what ended holds have set aside and no job has put back yet: for lists. One
    statement, and none while nothing has sold out.
    """
    sold_out = {reward.pk: reward for reward in rewards if reward.stock == 0}
    if not sold_out:
        return
    lapsed = Reservation.objects.filter(
        merchant__in={reward.merchant_id for reward in sold_out.values()},
        reward__in=sold_out,
        status=Reservation.Status.HELD,
        expires_at__lte=at,
    )
    for number, count in lapsed.values_list("reward_id").annotate(count=Count("pk")).order_by():
        sold_out[number].stock = count


def with_holds(rows: "QuerySet[Reward]", *, at: datetime) -> "QuerySet[Reward, Any]":
    """Annotate rewards with `held`, the pieces that live holds keep, and `lapsed`, what ended ones still do."""
    kept = Reservation.objects.filter(
        merchant=OuterRef("merchant"), reward=OuterRef("pk"), status=Reservation.Status.HELD
    ).values("reward")

    def count(of: "QuerySet[Any, Any]") -> Coalesce:
        return Coalesce(Subquery(of.annotate(count=Count("pk")).values("count")), 0)

    annotated: QuerySet[Reward, Any] = rows.annotate(
        held=count(kept.filter(expires_at__gt=at)), lapsed=count(kept.filter(expires_at__lte=at))
    )
    return annotated


@db.inside_transaction
def free_lapsed(reward: Reward, *, at: datetime) -> None:
    """
    Put back on the shelf what holds of this reward set aside that have ended by `at`, before a job does: a
    reward is never out of stock for the sake of a hold that is over. Costs nothing while some are left.
    """
    if reward.stock == 0 and _free(reward, at=at):
        reward.refresh_from_db(fields=["stock"])


def _free(reward: Reward, *, at: datetime) -> int:
    lapsed = Reservation.objects.filter(
        merchant_id=reward.merchant_id, reward=reward, status=Reservation.Status.HELD, expires_at__lte=at
    )
    # The statement itself looks: of two tills, and of the hold's own late capture, one gets each piece.
    if freed := lapsed.update(status=Reservation.Status.FREED):
        put_back(merchant_id=reward.merchant_id, reward_id=reward.pk, pieces=freed)
    return freed


@db.inside_transaction
def restock(*, reward: Reward, total: int | None) -> None:
    """
    Say how many there are in all, those redeemed included. What was redeemed stays redeemed: what is left
    changes by as much as the total does, never below none. None: without an end.
    """
    row = Reward.objects.filter(merchant_id=reward.merchant_id, pk=reward.pk)
    before = row.select_for_update().values_list("stock_total", flat=True).get()
    if total is None or before is None:
        row.update(stock_total=total, stock=total)
    elif total != before:
        row.update(stock_total=total, stock=Greatest(F("stock") + (total - before), 0))


def keep(reward: Reward) -> None:
    """Save what people configure of a reward: never the stock of one that is there, tills change it meanwhile."""
    if reward._state.adding:
        reward.stock = reward.stock_total
        reward.save()
        return
    names = [field.name for field in reward._meta.concrete_fields if not field.primary_key]
    reward.save(update_fields=[name for name in names if name not in ("stock", "stock_total")])
