from insights.admin import customers, retention, settings, start, value

__all__ = ["customers", "retention", "settings", "start", "value"]
