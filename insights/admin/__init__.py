"""Reports: read, filtered by a period, downloaded; nothing is edited here."""

from insights.admin import customers, liability, retention, settings, start, value

__all__ = ["customers", "liability", "retention", "settings", "start", "value"]
