"""
The customer's page: the heart of the admin. This room shows the person, the identifiers and the diary;
rooms above add panels, buttons and columns.
"""

from customers.admin import customer, panels, segments, sites, touchpoints

__all__ = ["customer", "panels", "segments", "sites", "touchpoints"]
