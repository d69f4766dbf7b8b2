"""
What a hold of points is for, where a room above sets something else aside with them.

A higher room names its purpose in HOLD_PURPOSES (config/settings.py) as a dotted path to an object with
these verbs. A hold is such a one's when its `purpose` has that `kind`; one with an empty purpose is for
points only. All verbs run inside the command that moves the hold, with its account locked.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from lib import db
from loyalty.ledger import AccountState, HoldState

if TYPE_CHECKING:
    from loyalty.desk import Desk


class Purpose(Protocol):
    kind: str

    def renew(self, work: "Desk", hold: HoldState, *, until: datetime) -> None:
        """
        Keep what is set aside until then; set it aside again if it was let go.

        :raises Refused: it is not there any more
        """
        ...

    def use(self, work: "Desk", membership_id: int, hold: HoldState) -> None:
        """
        Hand over what was set aside: the points are captured.

        :raises Refused: the hold was past its end, and what it set aside is gone
        """
        ...

    def let_go(self, *, merchant_id: int, holds: Sequence[HoldState]) -> None:
        """Free what ended holds set aside. What is free already stays so."""
        ...

    def told(self, *, merchant_id: int, hold_id: int, at: datetime) -> Any:
        """Return what the doors say of it beside the points."""
        ...


@cache
def _purposes() -> dict[str, Purpose]:
    found = [import_string(path) for path in settings.HOLD_PURPOSES]
    return {purpose.kind: purpose for purpose in found}


def of(hold: HoldState) -> Purpose | None:
    """Return the purpose of a hold; None when it is for points only."""
    return _purposes().get(hold.purpose.get("kind", ""))


@db.inside_transaction
def let_go(*, merchant_id: int, holds: Iterable[HoldState]) -> None:
    """Free what these holds set aside beside points. Holds for points only cost nothing."""
    ended = sorted((one for one in holds if one.purpose), key=lambda one: str(one.purpose.get("kind")))
    for _, same in groupby(ended, key=lambda one: str(one.purpose.get("kind"))):
        mine = list(same)
        if (purpose := of(mine[0])) is not None:
            purpose.let_go(merchant_id=merchant_id, holds=mine)


@db.inside_transaction
def let_go_of_ended(*, merchant_id: int, accounts: Iterable[AccountState]) -> None:
    """Free what the holds set aside that ended unused in this command; before the book is written."""
    let_go(
        merchant_id=merchant_id,
        holds=[
            hold
            for account in accounts
            for hold in account.holds
            if hold.is_changed and hold.status in ("cancelled", "expired")
        ],
    )
