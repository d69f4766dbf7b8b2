"""What this room keeps about a person, and what erasure does to it: the books stay, the person goes."""

from typing import Any

from customers.erasure import Holding, Traces, nobody, plain, shown, theirs
from rewards.models import (
    GiftCard,
    GiftCardEntry,
    PerkGrant,
    PerkUse,
    Redemption,
    Reservation,
    Voucher,
    VoucherUse,
)

BOOKS = "Kept: the books must add up. It names a customer who is nobody after erasure."


def _end_vouchers(traces: Traces) -> None:
    """Nobody is left to use a bound voucher: what can still be used is cancelled, and every code goes."""
    own = theirs(Voucher, traces)
    own.filter(status__in=("issued", "reserved")).update(status=Voucher.Status.CANCELLED)
    own.exclude(sealed_code="").update(sealed_code="")


def _forget_card_codes(traces: Traces) -> None:
    theirs(GiftCard, traces).exclude(sealed_code="").update(sealed_code="")


def _card_entries(traces: Traces) -> list[dict[str, Any]]:
    return plain(
        GiftCardEntry.objects.filter(
            merchant=traces.customer.merchant_id, card__customer__in=traces.ids
        ).order_by("pk"),
        *("kind", "amount_minor", "balance_after_minor", "reference", "purchase_reference", "created_at"),
    )


HOLDINGS = [
    Holding(
        "rewards.Redemption",
        BOOKS,
        erase=lambda traces: theirs(Redemption, traces).update(note=""),
        export=shown(
            Redemption,
            *("reward_name", "status", "points", "worth", "reference", "purchase_reference"),
            *("occurred_at", "closed_at"),
        ),
    ),
    Holding(
        "rewards.Reservation",
        BOOKS,
        export=shown(Reservation, "reward_name", "status", "points", "worth", "expires_at", "created_at"),
    ),
    Holding(
        "rewards.Voucher",
        "Kept as a fact of the books, without its code; what could still be used is cancelled.",
        erase=_end_vouchers,
        export=shown(
            Voucher,
            *("name", "last_four", "worth", "origin", "reference", "status", "uses", "used"),
            *("starts_at", "expires_at", "created_at"),
        ),
    ),
    Holding(
        "rewards.VoucherUse",
        BOOKS,
        export=shown(VoucherUse, "reference", "purchase_reference", "source", "undoes_id", "occurred_at"),
    ),
    Holding(
        "rewards.PerkGrant",
        BOOKS,
        export=shown(
            PerkGrant, "name", "tier", "kind", "points", "taken", "status", "occurred_at", "ended_at"
        ),
    ),
    Holding(
        "rewards.PerkUse",
        BOOKS,
        export=shown(PerkUse, "name", "tier", "reference", "source", "undoes_id", "occurred_at"),
    ),
    Holding(
        "rewards.GiftCard",
        "Kept: it is money of whoever holds the card, who can go on paying with it. A code that is still sealed "
        "is emptied.",
        erase=_forget_card_codes,
        export=shown(
            GiftCard,
            *("last_four", "currency", "paid_minor", "balance_minor", "expires_at", "created_at"),
        ),
    ),
    Holding("rewards.GiftCardEntry", BOOKS, export=_card_entries),
    Holding("rewards.PoolCode", "Kept: a keyed hash of a code and the voucher that got it."),
    *nobody("rewards.Reward", "rewards.CodePool", why="Kept: it is about the shop."),
]
