"""Earning rules. To add one, add a file here with one subclass of `Rule`; see per_amount.py."""

from lib.registry import Registry
from loyalty.earning.base import Basket, Line, Params, Rule, Tender

__all__ = ["RULES", "Basket", "Line", "Params", "Rule", "Tender"]

RULES: Registry[Rule] = Registry("loyalty.earning", Rule)
