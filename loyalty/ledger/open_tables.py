"""
The points tables in a merchant's open file.

Chains are keyed for one installation: they are left out, and made anew as the entries arrive in their order.
"""

from collections.abc import Sequence

from lib import db, public_ids
from loyalty.ledger.posting import link
from loyalty.ledger.rows import key
from loyalty.models.ledger import Account, Entry, Hold, Lot
from merchants.open_rows import Arrival, BadLine, Line, Row, Table


def _show_lots(line: Line) -> Line:
    line["lots"] = [[_shown(lot), *rest] for lot, *rest in line["lots"]]
    return line


def _shown(lot: int | str) -> str:
    number = public_ids.read("row", lot) if isinstance(lot, str) else lot
    return public_ids.show("lot", number or 0)


def _read_lots(line: Line, row: Row, arrival: Arrival) -> None:
    try:
        numbers = [(public_ids.read("lot", lot), opened, waiting) for lot, opened, waiting in line["lots"]]
    except (TypeError, ValueError, AttributeError):
        raise BadLine("lots is not a list of [lot, points, pending]") from None
    if any(number is None for number, _, _ in numbers):
        raise BadLine("lots names something that is no lot")
    row["lots"] = [[arrival.number(number or 0), opened, waiting] for number, opened, waiting in numbers]
    # A bonus is named by what it was for, a merge by itself; what a till called it stays as it is.
    if row["by"] == "program" or row["reference"].startswith("mrg_"):
        row["reference"] = arrival.text(row["reference"])


def _arrive(line: Line, row: Row, arrival: Arrival) -> None:
    """Join the entry to the chain of its account, whose entries come one after another."""
    _read_lots(line, row, arrival)
    account, head = arrival.kept.get("chain", (None, ""))
    head = head if account == row["account_id"] else ""
    row["chain"] = link(key(), head, row)
    arrival.kept["chain"] = (row["account_id"], row["chain"])


def _land(rows: Sequence[Row], arrival: Arrival) -> None:
    heads = {row["account_id"]: row["chain"] for row in rows}
    db.update(
        Account,
        [{"membership_id": account, "head": head} for account, head in heads.items()],
        key=["membership_id"],
    )


def _name_rule(line: Line, row: Row, arrival: Arrival) -> None:
    row["rule"] = arrival.text(row["rule"])  # what a level gave is named by its grant


TABLES = [
    Table("account", Account, blank={"head": ""}),
    Table("lot", Lot, ids={"purchase_id": "pur"}, arrives=_name_rule),
    Table("hold", Hold, ids={"entry_id": "ent"}),
    Table(
        "entry",
        Entry,
        blank={"chain": ""},
        ids={"purchase_id": "pur"},
        order=("account_id", "sequence"),
        shows=_show_lots,
        arrives=_arrive,
        lands=_land,
    ),
]
