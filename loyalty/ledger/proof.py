"""
The proof: every balance, lot and day is rebuilt from the append-only entries and compared.

Holds are compared too: what is held is the sum of the live ones, and each captured one has its one entry.

Also checked: entries are numbered without a gap, and each one's chain value follows from the key, the
entry and the one before, so a change behind the application's back shows.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from loyalty.ledger.posting import link
from loyalty.ledger.rows import key
from loyalty.models.ledger import Account, Entry, Hold, Lot

_ENTRY = (
    "pk",
    "merchant_id",
    "account_id",
    "sequence",
    "kind",
    "points",
    "pending",
    "balance_after",
    "purchase_id",
    "reference",
    "reason",
    "lots",
    "by",
    "occurred_at",
    "chain",
)
CHUNK = 2000


Rows = list[dict[str, Any]]


class _Found(NamedTuple):
    """What is stored below one account."""

    entries: Rows
    lots: Rows
    holds: Rows


def differences(*, merchant_id: int | None = None) -> Iterator[str]:
    """Yield one sentence per difference between the cached state and what the entries say; none is good."""
    accounts = Account.objects.order_by("membership_id")
    entries = Entry.objects.order_by("account_id", "sequence")
    lots = Lot.objects.order_by("account_id", "pk")
    holds = Hold.objects.order_by("account_id", "pk")
    if merchant_id is not None:
        accounts = accounts.filter(merchant_id=merchant_id)
        entries = entries.filter(merchant_id=merchant_id)
        lots = lots.filter(merchant_id=merchant_id)
        holds = holds.filter(merchant_id=merchant_id)
    by_account = _groups(entries.values(*_ENTRY).iterator(CHUNK))
    lots_of = _groups(lots.values("account_id", "pk", "state", "points", "remaining").iterator(CHUNK))
    holds_of = _groups(
        holds.values("account_id", "pk", "status", "points", "captured", "entry_id").iterator(CHUNK)
    )
    next_entries, next_lots, next_holds = next(by_account, None), next(lots_of, None), next(holds_of, None)
    for account in accounts.iterator(CHUNK):
        found = _Found([], [], [])
        while next_entries and next_entries[0] <= account.pk:
            if next_entries[0] == account.pk:
                found.entries.extend(next_entries[1])
            else:
                yield f"entries of account {next_entries[0]}: the account is missing"
            next_entries = next(by_account, None)
        while next_lots and next_lots[0] <= account.pk:
            found.lots[:] = next_lots[1] if next_lots[0] == account.pk else []
            next_lots = next(lots_of, None)
        while next_holds and next_holds[0] <= account.pk:
            found.holds[:] = next_holds[1] if next_holds[0] == account.pk else []
            next_holds = next(holds_of, None)
        yield from _check(account, found)
    if next_entries:
        yield f"entries of account {next_entries[0]}: the account is missing"


def _groups(rows: Iterator[Any]) -> Iterator[tuple[int, Rows]]:
    for number, group in groupby(rows, key=lambda row: row["account_id"]):
        yield number, list(group)


def _check(account: Account, found: _Found) -> Iterator[str]:
    name = f"account {account.pk} of merchant {account.merchant_id}"
    balance = pending = sequence = 0
    head = ""
    remaining: dict[int, list[int]] = {}
    for entry in found.entries:
        sequence += 1
        if entry["sequence"] != sequence:
            yield f"{name}: entry {sequence} is missing"
            sequence = entry["sequence"]
        balance += entry["points"]
        pending += entry["pending"]
        if entry["balance_after"] != balance:
            yield f"{name}: entry {sequence} says {entry['balance_after']}, the entries add up to {balance}"
        for lot, opened, waiting in entry["lots"]:
            sums = remaining.setdefault(lot, [0, 0])
            sums[0] += opened
            sums[1] += waiting
        head = link(key(), head, entry)
        if entry["chain"] != head:
            yield f"{name}: entry {sequence} was changed, or one before it was"
            head = entry["chain"]
    active = sum(opened for opened, _ in remaining.values())
    for label, cached, proved in (
        ("active points", account.active, active),
        ("pending points", account.pending, pending),
        ("debt", account.debt, active - balance),
        ("number of entries", account.sequence, sequence),
        ("chain", account.head, head),
    ):
        if cached != proved:
            yield f"{name}: {label} is {cached}, the entries say {proved}"
    yield from _check_lots(name, remaining, found.lots)
    yield from _check_holds(name, account.held, found)


def _check_lots(name: str, remaining: dict[int, list[int]], lots: Rows) -> Iterator[str]:
    stored = {lot["pk"]: lot for lot in lots}
    for number in remaining.keys() | stored.keys():
        opened, waiting = remaining.get(number, [0, 0])
        lot = stored.get(number)
        if lot is None:
            yield f"{name}: lot {number} is missing"
        elif lot["remaining"] != opened + waiting:
            yield f"{name}: lot {number} holds {lot['remaining']}, the entries say {opened + waiting}"
        elif waiting and lot["state"] != "pending":
            yield f"{name}: lot {number} is {lot['state']}, the entries say pending"


def _check_holds(name: str, held: int, found: _Found) -> Iterator[str]:
    live = sum(hold["points"] for hold in found.holds if hold["status"] == "active")
    if held != live:
        yield f"{name}: held points is {held}, the live holds say {live}"
    used = {entry["pk"]: -entry["points"] for entry in found.entries if entry["kind"] == "hold_capture"}
    for hold in found.holds:
        if hold["captured"] > hold["points"]:
            yield f"{name}: hold {hold['pk']} captured {hold['captured']} of {hold['points']} points"
        if hold["status"] != "captured":
            continue
        points = used.pop(hold["entry_id"], None)
        if points is None:
            yield f"{name}: hold {hold['pk']} is captured, its entry is missing"
        elif points != hold["captured"]:
            yield f"{name}: hold {hold['pk']} captured {hold['captured']}, its entry says {points}"
    for number in used:
        yield f"{name}: entry {number} captures no hold"
