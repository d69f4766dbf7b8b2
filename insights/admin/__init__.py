"""Reports: what the merchant learns. Pages that read; what they offer to do is a verb of a room below."""

from insights.admin import customers, journeys, liability, rehearsals, retention, settings, start, value

__all__ = ["customers", "journeys", "liability", "rehearsals", "retention", "settings", "start", "value"]
