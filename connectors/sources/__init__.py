"""One file per kind of machine that sends webhooks. `SOURCES["stripe"]` is the one that reads Stripe."""

from connectors.sources.base import Source
from lib.registry import Registry

SOURCES: Registry[Source] = Registry("connectors.sources", Source)
