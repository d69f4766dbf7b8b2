"""The admin of messages: texts, channels and limits are edited; messages and suppressions are read."""

from engagement.admin import channels, customers, messages, suppressions, templates

__all__ = ["channels", "customers", "messages", "suppressions", "templates"]
