"""The admin of points: the program is edited, facts are read and corrected by commands."""

from loyalty.admin import program, rules, tiers

__all__ = ["program", "rules", "tiers"]
