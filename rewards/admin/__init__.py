"""The admin of rewards: the catalogue is edited, pools are filled, facts are read and corrected by commands."""

from rewards.admin import customers, gift_cards, perks, pools, redemptions, rewards, vouchers

__all__ = ["customers", "gift_cards", "perks", "pools", "redemptions", "rewards", "vouchers"]
