"""A book for trying out: the arithmetic of accounts without their entries. Nothing of it is ever written."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from loyalty.ledger.book import Book
from loyalty.ledger.states import CLOSED, OPEN, PENDING, AccountState, Cause, LotState

# The kind of a movement, its effect on usable and on pending points, and when it happened.
Tell = Callable[[str, int, int, datetime], None]


class TrialBook(Book):
    """Moves points as a `Book` does, and tells each movement instead of chaining an entry."""

    def __init__(self, tell: Tell):
        super().__init__()
        self._tell = tell

    def _post(
        self,
        account: AccountState,
        *,
        kind: str,
        points: int,
        lots: list[list[int]],
        cause: Cause,
        pending: int = 0,
    ) -> None:
        self._tell(kind, points, pending, cause.occurred_at)

    def catch_up(self, account: AccountState, *, at: datetime) -> None:
        """Do what time has done by `at`, where it has done something, and forget the lots that are empty."""
        if account.next_due_at is not None and account.next_due_at <= at:
            self.settle(account, at=at)
        account.new_lots.clear()
        if account.lots is not None and len(account.lots) > MOST_LOTS:
            account.lots = [lot for lot in account.lots if lot.state != CLOSED]

    def release(
        self, account: AccountState, purchase_id: int, *, at: datetime, ends: datetime | None
    ) -> None:
        """Make the points of a sale that wait usable, until `ends`."""
        for lot in account.lots or ():
            if lot.purchase_id == purchase_id and lot.state == PENDING:
                lot.expires_at = ends
                self.activate(account, lot, at=at)
        account.refresh_due()


MOST_LOTS = 32


def trial_account(number: int, *, merchant_id: int, lots: list[dict[str, Any]], debt: int) -> AccountState:
    """Return an account in memory that begins with these lots."""
    state = AccountState(number, merchant_id, debt=debt, lots=[LotState(**lot) for lot in lots])
    for lot in state.lots or ():
        if lot.state == OPEN:
            state.active += lot.remaining
        else:
            state.pending += lot.remaining
    state.refresh_due()
    return state
