"""Rewards that cost nothing this time: a level gives them, and they come back while they are unused."""

from lib import db
from loyalty import lookup
from loyalty.desk import Desk
from rewards import catalogue, pricing, redemptions, vouchers
from rewards.models import Redemption, Reward

Status = Redemption.Status


@db.inside_transaction
def give(work: Desk, person: lookup.Person, reward: Reward, *, reference: str) -> Redemption:
    """
    Give a reward that costs nothing this time, at a desk that has the account locked. Caps are of what is
    redeemed and do not count here; the shelf does.

    :raises RewardNotAvailable: switched off, out of its dates, or not of a kind that can be given
    :raises RewardOutOfStock: none is left
    """
    kind, params = catalogue.kind_of(reward)
    if kind.kind == pricing.PAYMENT or not catalogue.is_on_offer(reward, at=work.at):
        raise catalogue.RewardNotAvailable(f"{reward.name} cannot be given now.")
    catalogue.take_one(reward, at=work.at)
    worth = kind.worth(params, name=reward.name, currency=work.merchant.currency)
    row = redemptions.new_row(work, person, reward, kind, reference) | {"points": 0, "worth": worth}
    db.insert(Redemption, [row])
    redemption = Redemption(**row)
    redemptions.note(work, "reward.redeemed", person.customer_id, redemption)
    if kind.makes_voucher:
        redemptions.issue(work, redemption, reward, valid_days=reward.valid_days, origin="perk")
    return redemption


@db.inside_transaction
def take_back(work: Desk, redemption: Redemption, *, reason: str) -> bool:
    """
    Take back what `give` gave, if it was not used: an unused voucher, goods that nobody handed over. Return
    whether it came back; what was used, has expired or was closed meanwhile stays as it is.
    """
    rows = Redemption.objects.select_for_update(of=("self",)).filter(merchant=work.merchant)
    now = rows.select_related("reward", "voucher").get(pk=redemption.pk)
    voucher = getattr(now, "voucher", None)
    if now.status != Status.PENDING and not (now.status == Status.FULFILLED and voucher):
        return False
    if voucher:
        try:
            vouchers.cancel(voucher=voucher, at=work.at, by=work.by)
        except (vouchers.VoucherRedeemed, vouchers.VoucherExpired):
            return False
    catalogue.put_back(merchant_id=work.merchant.pk, reward_id=now.reward_id)
    now.status, now.note, now.closed_at = Status.CANCELLED, reason[:300], work.at
    now.save(update_fields=["status", "note", "closed_at"])
    redemptions.note(work, "redemption.cancelled", now.customer_id, now)
    return True
