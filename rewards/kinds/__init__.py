"""Kinds of rewards. To add one, add a file here with one subclass of `Kind`; see amount_off.py."""

from lib.registry import Registry
from rewards.kinds.base import Kind, Params, Worth

__all__ = ["KINDS", "Kind", "Params", "Worth"]

KINDS: Registry[Kind] = Registry("rewards.kinds", Kind)
