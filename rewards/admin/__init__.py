"""The admin of rewards: the catalogue is edited, redemptions are read and closed by commands."""

from rewards.admin import customers, redemptions, rewards

__all__ = ["customers", "redemptions", "rewards"]
