"""The admin of other machines: who may tell us, who is told, and both logs."""

from connectors.admin import inbox, outbox

__all__ = ["inbox", "outbox"]
