"""
What the merchants of a listener want to hear of, believed by a process for a few seconds.

A listener of many kinds (webhook endpoints, flows) serves few merchants. Each touchpoint that is noted asks
whether anybody of its merchant wants it, also in a sale: one statement for all merchants every few seconds in a
process answers that, none in between.
"""

import time
from collections.abc import Callable, Mapping

from lib import db

FRESH_SECONDS = 5.0

Kinds = Mapping[int, frozenset[str]]


class Wishes:
    """The wishes of one listener: `learn` asks the database for the kinds by merchant."""

    def __init__(self, learn: Callable[[], Kinds]):
        self._learn = learn
        self._known: Kinds = {}
        self._fresh_until = 0.0  # monotonic seconds

    def has(self, merchant_id: int, kind: str) -> bool:
        """Tell whether somebody of this merchant wants this kind."""
        if self._fresh_until < time.monotonic():
            # A touchpoint is noted amid statements that are gathered: this one has to be answered now.
            with db.apart():
                self.know(self._learn())
        return kind in self._known.get(merchant_id, frozenset())

    def know(self, found: Kinds, *, seconds: float = FRESH_SECONDS) -> None:
        """Let this process believe that these merchants want these kinds, and no other merchant any."""
        self._known, self._fresh_until = found, time.monotonic() + seconds

    def forget(self) -> None:
        """Let this process ask anew."""
        self._fresh_until = 0.0

    def changed(self) -> None:
        """Ask anew in this very transaction, and after its commit for what another thread learned meanwhile."""
        self.forget()
        db.after_commit(self.forget)
