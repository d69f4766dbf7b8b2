"""
What points buy and tiers give.

Configuration: a `Reward` costs points and is of one kind (`rewards/kinds`), with its stock, caps and dates.
Facts: a `Redemption` is points spent on a reward, once per reference, with the state of what is handed
over. A `Voucher` is a code that is worth something at a till: issued by a redemption, a perk or by staff,
bound to a customer or for its bearer; each use and each undoing is a `VoucherUse`. A `CodePool` holds
codes that another shop made (`PoolCode`), each handed out once. A `Reservation` is one piece of a reward that
a hold of points keeps for a checkout. A `GiftCard` is money paid in advance; its books are `GiftCardEntry`.
A `PerkGrant` is what reaching a level gave, a `PerkUse` one use of a benefit that a level gives, or the undoing
of one; the perks themselves are the levels' (`loyalty.tier_perks`).
"""

from rewards.models.gift_card import GiftCard, GiftCardEntry
from rewards.models.perk import PerkGrant, PerkUse
from rewards.models.redemption import Redemption
from rewards.models.reservation import Reservation
from rewards.models.reward import Reward
from rewards.models.voucher import CodePool, PoolCode, Voucher, VoucherUse

__all__ = [
    "CodePool",
    "GiftCard",
    "GiftCardEntry",
    "PerkGrant",
    "PerkUse",
    "PoolCode",
    "Redemption",
    "Reservation",
    "Reward",
    "Voucher",
    "VoucherUse",
]
