"""Conditions of segments about points, tiers and purchases: one file each."""
