"""The admin of rewards: vouchers and gift cards are read and corrected by commands, pools are filled."""

from rewards.admin import gift_cards, pools, vouchers

__all__ = ["gift_cards", "pools", "vouchers"]
