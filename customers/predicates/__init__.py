"""Conditions of segments that this room knows: one file each."""
