"""What of this room is in a merchant's open file."""

from lib import secrets
from merchants.open_rows import Arrival, BadLine, Line, Row, Table
from rewards import codes
from rewards.models import (
    CodePool,
    GiftCard,
    GiftCardEntry,
    PerkGrant,
    PerkUse,
    PoolCode,
    Redemption,
    Reservation,
    Reward,
    Voucher,
    VoucherUse,
)


def _open_code(line: Line) -> Line:
    """
    Show a code that somebody may see again: sealed it opens nowhere else. Of the others there is only a hash.
    """
    sealed = line.pop("sealed_code")
    return {**line, "code": secrets.open(sealed) if sealed else ""}


def _seal_code(line: Line, row: Row, arrival: Arrival) -> None:
    code = line.get("code")
    if not isinstance(code, str):
        raise BadLine("code is not a text")
    row["sealed_code"] = secrets.seal(code) if code else ""
    if code:
        letters = codes.read(code)
        is_ours = letters is not None and codes.is_right(letters)
        row["digest"] = codes.digest(letters or "") if is_ours else codes.foreign_digest(code)


def _voucher(line: Line, row: Row, arrival: Arrival) -> None:
    _seal_code(line, row, arrival)
    if row["origin"] == "redemption":
        row["reference"] = arrival.text(row["reference"])  # the redemption's own id
    if not line["code"] and not arrival.has_keys and row["status"] in ("issued", "reserved"):
        # Nobody could ever find it here: a promise that cannot be kept must not look like one that is.
        row["status"] = Voucher.Status.CANCELLED
        arrival.left[
            "vouchers of bearers cancelled, because only another installation knows their codes"
        ] += 1


def _perk_grant(line: Line, row: Row, arrival: Arrival) -> None:
    row["reference"] = arrival.text(row["reference"])  # names the touchpoint that reached the level


def _gift_card(line: Line, row: Row, arrival: Arrival) -> None:
    _seal_code(line, row, arrival)
    if not line["code"] and not arrival.has_keys and row["balance_minor"]:
        arrival.left["gift cards that need a new code: their money is here, their code is not"] += 1


def _pool_code(line: Line, row: Row, arrival: Arrival) -> None:
    _seal_code(line, row, arrival)
    if line["code"]:
        row["digest"] = codes.foreign_digest(line["code"])


SECTIONS = [
    Table("reward", Reward),
    Table("redemption", Redemption, ids={"hold_id": "hld", "entry_id": "ent"}),
    Table("reservation", Reservation, ids={"hold_id": "hld"}),
    Table("perk_grant", PerkGrant, arrives=_perk_grant),
    Table("perk_use", PerkUse),
    Table("voucher", Voucher, shows=_open_code, arrives=_voucher, opened={"sealed_code": "code"}),
    Table("voucher_use", VoucherUse),
    Table("code_pool", CodePool),
    Table("pool_code", PoolCode, shows=_open_code, arrives=_pool_code, opened={"sealed_code": "code"}),
    Table("gift_card", GiftCard, shows=_open_code, arrives=_gift_card, opened={"sealed_code": "code"}),
    Table("gift_card_entry", GiftCardEntry),
]

LEFT_OUT: dict[str, str] = {}
