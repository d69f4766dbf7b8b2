"""What a channel is: it knows which contact it needs, opens a line to its provider, and sends one letter."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from merchants.models import Merchant


class NotTaken(Exception):
    """The provider did not take the letter, and said so or was not reached: it was not sent."""

    is_permanent = False
    is_down = False


class Refused(NotTaken):
    """For good: this letter will never be taken."""

    is_permanent = True

    def __init__(self, text: str, *, is_contact_bad: bool = False):
        super().__init__(text)
        self.is_contact_bad = is_contact_bad


class TryAgain(NotTaken):
    """For now: the same letter may be taken later."""


class Down(NotTaken):
    """The provider is not reached, or does not want us at all: no letter of this channel would be taken."""

    is_down = True


class InDoubt(Exception):
    """The line broke after the letter was handed over: it may have been sent. Never sent again by itself."""


class Options(BaseModel):
    """What a merchant may set for a channel. Each channel has its own."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, rendered and addressed."""

    message_id: int
    public_id: str
    merchant: Merchant
    to: str
    subject: str
    html: str
    text: str
    short: str
    is_marketing: bool
    at: datetime
    unsubscribe_url: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """The provider took it: its own number for it, and whether nothing more will be heard (delivered)."""

    provider_id: str = ""
    is_delivered: bool = False


class Line(Protocol):
    """An open line to a provider, for several letters."""

    def send(self, letter: Letter) -> Taken:
        """
        Send one letter.

        :raises NotTaken: it was not sent (`Refused`, `TryAgain`, `Down`)
        :raises InDoubt: it may have been sent
        """
        ...


class Channel:
    """
    A way to reach a customer. `contact` is the type of the identifier it writes to, empty where it needs
    none; `consent` the channel in the customer's consents.
    """

    kind: ClassVar[str]
    label: ClassVar[Any]
    contact: ClassVar[str] = ""
    consent: ClassVar[str] = ""
    is_ready_alone: ClassVar[bool] = False
    Options: ClassVar[type[Options]] = Options

    def open(self, *, merchant: Merchant, options: Any, secret: str) -> AbstractContextManager[Line]:
        """Return a line to the provider, opened when the first letter is sent and closed at the end."""
        raise NotImplementedError
