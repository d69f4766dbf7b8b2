"""The admin of messages: texts, channels and limits are edited; messages and suppressions are read."""

from engagement.admin import channels, customers, flows, messages, suppressions, surveys, templates

__all__ = ["channels", "customers", "flows", "messages", "suppressions", "surveys", "templates"]
