"""Reports: read, filtered by a period, downloaded; nothing is edited here."""

from insights.admin import liability

__all__ = ["liability"]
