"""What every movement of a book comes down to: points leave lots, and one entry joins the account's chain."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from lib import public_ids
from loyalty.ledger.lots import shrink
from loyalty.ledger.states import OPEN, AccountState, Cause, LotState


class Posting:
    """Accounts, and the key their chains are made with."""

    def __init__(
        self, *, accounts: Iterable[AccountState] = (), key: bytes = b"", now: datetime | None = None
    ):
        self.accounts = {account.id: account for account in accounts}
        self._now = now
        self._key = key

    def __getitem__(self, membership_id: int) -> AccountState:
        return self.accounts[membership_id]

    def _consume(
        self,
        account: AccountState,
        points: int,
        first: Sequence[LotState] = (),
        *,
        spare_past: bool = True,
    ) -> list[list[int]]:
        """Take points from the open lots; those past their expiry are there for a hold, and come last."""
        assert account.lots is not None
        left, taken = points, []
        others = sorted(
            (lot for lot in account.lots if lot.state == OPEN and lot not in first),
            key=lambda lot: (spare_past and account.is_past(lot), *lot.order()),
        )
        for lot in (*first, *others):
            if not left:
                break
            if part := min(lot.remaining, left):
                shrink(lot, part)
                left -= part
                taken.append([lot.id, -part, 0])
        account.active -= points
        account.refresh_due()
        return taken

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
        account.sequence += 1
        entry = {
            "id": public_ids.new(),
            "merchant_id": account.merchant_id,
            "account_id": account.id,
            "sequence": account.sequence,
            "kind": kind,
            "points": points,
            "pending": pending,
            "balance_after": account.balance,
            "purchase_id": cause.purchase_id,
            "reference": cause.reference,
            "reason": cause.reason,
            "lots": lots,
            "by": cause.by,
            "occurred_at": cause.occurred_at,
            "created_at": self._now or cause.occurred_at,
            "chain": "",
        }
        account.head = entry["chain"] = link(self._key, account.head, entry)
        account.entries.append(entry)
        account.is_changed = True


def link(key: bytes, head: str, entry: dict[str, Any]) -> str:
    """
    Return the chain value of an entry: a keyed BLAKE2b over it and the value before it, 32 hex letters.

    Nobody without the key can change, drop or insert an entry of the past and leave a chain that verifies.
    """
    body = (
        f"{head}|{entry['merchant_id']}|{entry['account_id']}|{entry['sequence']}|{entry['kind']}"
        f"|{entry['points']}|{entry['pending']}|{entry['balance_after']}|{entry['purchase_id'] or ''}"
        f"|{entry['reference']}|{entry['by']}|{int(entry['occurred_at'].timestamp() * 1000)}|"
    ).encode() + orjson.dumps([entry["lots"], entry["reason"]], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(body, digest_size=16, key=key).hexdigest()
