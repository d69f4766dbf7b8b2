"""Reports: what the merchant learns. Pages that read; what they offer to do is a verb of a room below."""

from insights.admin import journeys

__all__ = ["journeys"]
