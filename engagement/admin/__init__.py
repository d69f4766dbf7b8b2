"""The admin of messages: texts, channels and limits are edited; messages and suppressions are read."""

from engagement.admin import (
    campaigns,
    channels,
    customers,
    experiments,
    flows,
    messages,
    suppressions,
    surveys,
    templates,
)

__all__ = [
    "campaigns",
    "channels",
    "customers",
    "experiments",
    "flows",
    "messages",
    "suppressions",
    "surveys",
    "templates",
]
