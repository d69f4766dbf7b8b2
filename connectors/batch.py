"""A batch of messages on its way through: what was read, what is known, what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from connectors import connections, people
from connectors.models import Connection
from connectors.numbers import Family
from connectors.sources.base import Fact
from lib.errors import DomainError
from merchants.models import Merchant

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message on its way through: its row's id, and what is needed of it."""

    id: int
    event_id: str
    type: str
    body: str
    tries: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What becomes of a message: done, ignored, attention (a person must look), or waiting to be tried again.

    `may_end`: a message that waits for something that never came is no failure.
    """

    status: Literal["done", "ignored", "attention", "waiting", "failed"]
    error: str = ""
    after_seconds: int = 0
    may_end: bool = False

    @classmethod
    def attention(cls, reason: str) -> "Outcome":
        return cls("attention", reason)

    @classmethod
    def again(cls, reason: str, *, may_end: bool = False) -> "Outcome":
        return cls("waiting", reason, may_end=may_end)


DONE, IGNORED = Outcome("done"), Outcome("ignored")
_RANK = {"done": 0, "ignored": 1, "waiting": 2, "attention": 3, "failed": 4}


@dataclass(slots=True)
class Batch:
    """Messages on their way: facts with the place of the message each came in, and what became of those."""

    connection: Connection
    at: datetime
    facts: list[tuple[int, Fact]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    families: dict[str, Family] = field(default_factory=dict)
    known: people.Known = field(default_factory=dict)

    @property
    def merchant(self) -> Merchant:
        return self.connection.merchant

    @property
    def source(self) -> str:
        return connections.source_name(self.connection.pk)

    def of(self, kind: type[F]) -> list[tuple[int, F]]:
        return [(place, fact) for place, fact in self.facts if isinstance(fact, kind)]

    def settle(self, place: int, outcome: Outcome) -> None:
        """Keep the gravest of what the facts of one message came to."""
        if _RANK[outcome.status] > _RANK[self.outcomes[place].status]:
            self.outcomes[place] = outcome

    def refuse(self, place: int, error: DomainError) -> None:
        self.settle(place, Outcome.again(str(error)) if error.retryable else Outcome.attention(str(error)))

    def family(self, ids: Sequence[str]) -> Family:
        return self.families.get(ids[0]) or Family(set(ids))
