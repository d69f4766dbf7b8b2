"""
What a source is, and the facts it may find in a message.

A source is translation: it imports neither Django nor the tables, so that it can be tried on any message
in memory. What the facts mean for customers and points is decided in `connectors.posting`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

MOST_ID = 200
LineKind = Literal["goods", "service", "shipping", "tip", "gift_card", "deposit"]
TenderKind = Literal["cash", "card", "gift_card", "store_credit", "points", "voucher", "other"]


class BadSignature(Exception):
    """Not signed by who should have signed it, or too long ago."""


class NotAnEvent(Exception):
    """Signed, but not a message this source could ever read."""


class Unreadable(Exception):
    """A person must look: the message is sound, but says something this service cannot act on."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the door needs to know: the sender's id of the event, and how long its reading should wait."""

    event_id: str
    type: str
    occurred_at: datetime
    wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Who:
    """
    A person as a message names one.

    `given` are (type, value, source) as in `customers.identifiers`, the surest first; the type `own` is
    whatever the shop itself calls its customer: our id, or an id of the shop's.
    """

    given: tuple[tuple[str, str, str], ...] = ()
    name: str = ""
    language: str = ""


NOBODY = Who()


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a sale; the amount is the whole line's, after discounts, tax included."""

    amount_minor: int
    kind: LineKind = "goods"
    id: str = ""
    quantity: int = 1
    sku: str = ""
    name: str = ""
    category: str = ""
    tax_minor: int = 0


@dataclass(frozen=True, slots=True)
class Paid:
    """One part of a payment."""

    kind: TenderKind
    amount_minor: int
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Sold:
    """A sale. `ids` are all numbers it is known by, the one to file it under first."""

    ids: tuple[str, ...]
    currency: str
    amount_minor: int
    occurred_at: datetime
    who: Who = NOBODY
    items: tuple[Item, ...] = ()
    payments: tuple[Paid, ...] = ()
    tax_minor: int | None = None
    channel: str = ""
    store: str = ""
    till: str = ""
    staff_ref: str = ""
    basket: str = ""
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Returned:
    """Money that went back. `reference` is its own number, `ids` are numbers of the sale."""

    reference: str
    ids: tuple[str, ...]
    occurred_at: datetime
    amount_minor: int | None = None
    items: tuple[tuple[str, int | None, int | None], ...] = ()
    sent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ReturnUndone:
    """The money that went back under this number came again: a refund failed, a dispute was won."""

    reference: str


@dataclass(frozen=True, slots=True)
class Voided:
    """The sale never was."""

    ids: tuple[str, ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Linked:
    """These numbers are of one sale."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefundedInAll:
    """The sender's sum of all refunds of a sale, to compare with those we were told of."""

    ids: tuple[str, ...]
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Met:
    """A person exists there, with these contacts; one who `joins` is enrolled, whatever the connection says."""

    who: Who
    birthday: str = ""
    consents: tuple[tuple[str, str, bool, str, str], ...] = ()
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A person was deleted there: the link to them ends, their points stay."""

    given: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something for the customer's diary. Who it was is said, or is the customer of the sale `ids`."""

    kind: str
    reference: str
    occurred_at: datetime
    who: Who = NOBODY
    ids: tuple[str, ...] = ()
    channel: str = "web"
    anonymous_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unread:
    """One part of the message cannot be acted on; the others can."""

    reason: str


Fact = Sold | Returned | ReturnUndone | Voided | Linked | RefundedInAll | Met | Left | Happened | Unread


class Options(BaseModel):
    """The settings a connection of this kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source:
    """
    One kind of machine that sends webhooks.

    `kind` is stored in the database and stands in addresses: never rename it.
    """

    kind: ClassVar[str] = ""
    label: str = ""
    Options: type[Options] = Options

    def verify(
        self,
        *,
        secrets: Sequence[str],
        headers: Mapping[str, str],
        body: bytes,
        event: Mapping[str, Any],
        at: datetime,
        options: Any,
    ) -> Envelope:
        """
        Check who signed the raw `body` and return its envelope. `event` is the body, parsed.

        :raises BadSignature: none of the secrets signed it, or the signature is too old at `at`
        :raises NotAnEvent: it is signed, but lacks what every event of this source has
        """
        raise NotImplementedError

    def read(
        self, *, event: Mapping[str, Any], occurred_at: datetime, options: Any, is_sandbox: bool
    ) -> list[Fact]:
        """
        Return the facts of one message; none when it is of no use here. `occurred_at` is its envelope's.

        :raises Unreadable: a person must look
        """
        raise NotImplementedError

    def check_secret(self, *, secret: str) -> str | None:
        """Return what is wrong with a secret, in a sentence; None when it can be one."""
        return None if len(secret) >= 16 else "The secret is too short: copy the whole signing secret."
