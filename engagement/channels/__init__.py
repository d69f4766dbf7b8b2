"""One file per way to reach a customer. `CHANNELS["email"]` is the one that sends e-mail."""

from engagement.channels.base import Channel
from lib.registry import Registry

CHANNELS: Registry[Channel] = Registry("engagement.channels", Channel)
