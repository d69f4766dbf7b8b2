"""The admin of points: the program is edited, facts are read and corrected by commands."""

from loyalty.admin import customers, facts, holds, households, merges, program, referrals, rules, start, tiers

__all__ = [
    "customers",
    "facts",
    "holds",
    "households",
    "merges",
    "program",
    "referrals",
    "rules",
    "start",
    "tiers",
]
