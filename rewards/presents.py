"""A reward given for nothing: a voucher of it, bound to the customer, once per origin and reference."""

from datetime import datetime

from customers.models import Customer
from lib import db
from loyalty import programs
from rewards import catalogue, vouchers
from rewards.models import Reward, Voucher
from rewards.vouchers import IssuedVoucher


@db.inside_transaction
def give(
    *, reward: Reward, customer: Customer, origin: str, reference: str, at: datetime, by: str
) -> IssuedVoucher:
    """
    Issue a voucher of the reward and take one off the shelf. Repeating returns the first and takes nothing.

    :raises RewardOutOfStock: none is left
    :raises RewardNotAvailable: its kind hands nothing over by voucher, or its settings are broken
    """
    kind, params = catalogue.kind_of(reward)
    if not kind.makes_voucher:
        raise catalogue.RewardNotAvailable(f"{reward.name} is not handed over by voucher.")
    is_new = not Voucher.objects.filter(
        merchant=reward.merchant_id, origin=origin, reference=reference
    ).exists()
    if is_new:
        catalogue.take_one(reward, at=at)
    plan = programs.current(merchant=customer.merchant, program_id=reward.program_id)
    return vouchers.issue(
        merchant=customer.merchant,
        name=reward.name,
        worth=kind.worth(params, name=reward.name, currency=customer.merchant.currency),
        at=at,
        by=by,
        origin=origin,
        reference=reference,
        customer=customer,
        reward=reward,
        expires_at=catalogue.voucher_ends(plan, reward.valid_days, at=at),
    )
