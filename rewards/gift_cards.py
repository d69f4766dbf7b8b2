"""Gift cards: money paid in advance, with a small ledger of its own. Amounts are in minor units."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Sum

from customers import journey
from customers.models import Customer
from lib import db, secrets
from lib.errors import Fault, Malformed, ReferenceReused, Refused
from loyalty import known
from loyalty.models import Reference
from merchants.models import Merchant
from rewards import codes
from rewards.models import GiftCard, GiftCardEntry

KIND = "gift_card"
MOST_MINOR = 10**12


class InsufficientBalance(Refused):
    code = "insufficient_balance"


class GiftCardExpired(Refused):
    code = "gift_card_expired"


class OtherCurrency(Refused):
    code = "currency_mismatch"


class RefundExceedsCharges(Refused):
    """More would be on the card than was paid for it."""

    code = "refund_exceeds_charges"


class AmountOutOfRange(Malformed):
    code = "out_of_range"


@dataclass(frozen=True, slots=True)
class CardReceipt:
    """
    One movement's answer: status created or replayed, the entry, and the card as it is now.

    `code` is there when the card was bought, and again for a repeat until it is first paid with.
    """

    status: str
    entry: GiftCardEntry
    card: GiftCard
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Told:
    """What every movement of a card is told with."""

    merchant: Merchant
    kind: str
    reference: str
    source: str
    by: str
    at: datetime
    purchase_reference: str = ""


@db.command
def buy(
    *,
    merchant: Merchant,
    amount_minor: int,
    currency: str,
    reference: str,
    at: datetime,
    by: str,
    customer: Customer | None = None,
    expires_at: datetime | None = None,
    source: str = "api",
) -> CardReceipt:
    """
    Issue a card with this much money on it, once per reference. The sale itself is a purchase of its own.

    :raises ReferenceReused: the reference belongs to another movement
    """
    _check(amount_minor)
    told = _Told(merchant, "issue", reference, source, by, at)
    if (first := _entry(told)) is not None:
        card = first.card
        said = {"amount_minor": amount_minor, "currency": currency, "expires_at": expires_at}
        was = {"amount_minor": first.amount_minor, "currency": card.currency, "expires_at": card.expires_at}
        said["customer"], was["customer"] = customer.pk if customer else None, card.customer_id
        _same(first, told, said, was)
        return CardReceipt("replayed", first, card, _code(card))
    shown = codes.new()
    card = GiftCard.objects.create(
        merchant=merchant,
        customer=customer,
        digest=codes.digest(codes.read(shown) or ""),
        sealed_code=secrets.seal(shown),
        last_four=shown[-4:],
        currency=currency,
        paid_minor=amount_minor,
        balance_minor=0,
        sequence=0,
        expires_at=expires_at,
        created_at=at,
        by=by,
    )
    return CardReceipt("created", _move(card, told, amount_minor), card, shown)


@db.command
def charge(
    *,
    merchant: Merchant,
    code: str,
    amount_minor: int,
    reference: str,
    at: datetime,
    by: str,
    currency: str = "",
    up_to: bool = False,
    purchase_reference: str = "",
    source: str = "api",
) -> CardReceipt:
    """
    Pay with the card, once per reference: exactly `amount_minor`, or with `up_to` at most that, what is there.

    :raises UnknownCode: there is no such card here
    :raises InsufficientBalance: less is on it; with `up_to`, nothing
    :raises GiftCardExpired: its time is over
    :raises OtherCurrency: it holds money of another currency
    :raises ReferenceReused: the reference belongs to another movement
    """
    _check(amount_minor)
    told = _Told(merchant, "charge", reference, source, by, at, purchase_reference)
    card = _lock(merchant, code)
    if (first := _entry(told)) is not None:
        taken = -first.amount_minor
        is_same = taken == amount_minor or (up_to and taken < amount_minor)
        said = {"code": card.pk, "amount_minor": is_same, "purchase_reference": purchase_reference}
        was = {"code": first.card_id, "amount_minor": True, "purchase_reference": first.purchase_reference}
        _same(first, told, said, was)
        return CardReceipt("replayed", first, card)
    _check_currency(card, currency)
    if is_expired(card, at=at):
        raise GiftCardExpired("This gift card has expired.")
    taken = min(amount_minor, card.balance_minor) if up_to else amount_minor
    if taken > card.balance_minor or taken == 0:
        raise InsufficientBalance(
            "There is not that much on this gift card: see its balance.",
            faults=[Fault("/amount_minor", "insufficient_balance", f"at most {card.balance_minor}")],
        )
    return CardReceipt("created", _move(card, told, -taken), card)


@db.command
def refund(
    *,
    merchant: Merchant,
    code: str,
    amount_minor: int,
    reference: str,
    at: datetime,
    by: str,
    currency: str = "",
    purchase_reference: str = "",
    source: str = "api",
) -> CardReceipt:
    """
    Give money back to the card, once per reference, also after its time: it was paid with.

    :raises UnknownCode: there is no such card here
    :raises RefundExceedsCharges: more than was paid with it
    :raises OtherCurrency: it holds money of another currency
    :raises ReferenceReused: the reference belongs to another movement
    """
    _check(amount_minor)
    told = _Told(merchant, "refund", reference, source, by, at, purchase_reference)
    card = _lock(merchant, code)
    if (first := _entry(told)) is not None:
        said = {"code": card.pk, "amount_minor": amount_minor, "purchase_reference": purchase_reference}
        was = {"code": first.card_id, "amount_minor": first.amount_minor,
               "purchase_reference": first.purchase_reference}  # fmt: skip
        _same(first, told, said, was)
        return CardReceipt("replayed", first, card)
    _check_currency(card, currency)
    spent = card.paid_minor - card.balance_minor
    if amount_minor > spent:
        raise RefundExceedsCharges(
            "More would be on the card than was paid for it.",
            faults=[Fault("/amount_minor", "out_of_range", f"at most {spent}")],
        )
    return CardReceipt("created", _move(card, told, amount_minor), card)


def find(*, merchant: Merchant, code: str) -> GiftCard:
    """
    Return the card behind a code, however it was typed.

    :raises UnknownCode: there is none here
    """
    found = GiftCard.objects.filter(merchant=merchant, digest__in=codes.digests(code)).first()
    if found is None:
        raise codes.unknown(code)
    return found


def is_expired(card: GiftCard, *, at: datetime) -> bool:
    """Tell whether the card's time is over at that time; no job has to run for it."""
    return card.expires_at is not None and card.expires_at <= at


def differences(*, merchant_id: int | None = None) -> Iterator[str]:
    """Yield where the stored balance of a card is not what its entries say: `verify_ledger` asks for them."""
    cards = GiftCard.objects.all() if merchant_id is None else GiftCard.objects.filter(merchant=merchant_id)
    proven = cards.annotate(sum=Sum("entries__amount_minor", default=0), count=Count("entries"))
    wrong = proven.exclude(sum=F("balance_minor"), count=F("sequence"))
    for card in wrong.order_by("pk").iterator():
        yield (
            f"gift card {card.public_id}: balance {card.balance_minor}, its {card.count} entries say {card.sum}"
        )
    entries = GiftCardEntry.objects.filter(card__in=cards).order_by("card_id", "sequence")
    balance, card_id = 0, None
    for number, card_of, amount, after in entries.values_list(
        "pk", "card_id", "amount_minor", "balance_after_minor"
    ).iterator():
        balance = amount if card_of != card_id else balance + amount
        card_id = card_of
        if balance != after:
            yield f"gift card entry {number}: says {after} were left, the entries before it say {balance}"
            balance = after


def _move(card: GiftCard, told: _Told, amount_minor: int) -> GiftCardEntry:
    """Write one movement: entry, balance, reference and touchpoint, under the card's lock."""
    card.balance_minor += amount_minor
    card.sequence += 1
    if amount_minor < 0:
        card.sealed_code = ""
    row = {
        "id": card.pk,
        "balance_minor": card.balance_minor,
        "sequence": card.sequence,
        "sealed_code": card.sealed_code,
    }
    db.update(GiftCard, [row], key=["id"])
    entry = GiftCardEntry.objects.create(
        merchant=told.merchant,
        card=card,
        sequence=card.sequence,
        kind=told.kind,
        amount_minor=amount_minor,
        balance_after_minor=card.balance_minor,
        source=told.source,
        reference=told.reference,
        purchase_reference=told.purchase_reference,
        by=told.by,
        created_at=told.at,
    )
    known.remember(
        [
            known.reference_row(
                merchant_id=told.merchant.pk,
                source=told.source,
                kind=KIND,
                reference=told.reference,
                target_id=entry.pk,
                at=told.at,
            )
        ]
    )
    kind = {"issue": "issued", "charge": "charged", "refund": "refunded"}[told.kind]
    data = {
        "gift_card": card.public_id,
        "amount_minor": amount_minor,
        "currency": card.currency,
        "balance_minor": card.balance_minor,
        "reference": told.reference,
    }
    noted = journey.row(
        merchant_id=told.merchant.pk,
        customer_id=card.customer_id,
        kind=f"gift_card.{kind}",
        at=told.at,
        now=told.at,
        data=data,
    )
    journey.note_all([noted])
    return entry


def _lock(merchant: Merchant, code: str) -> GiftCard:
    """Lock the card's row, first, and return it as it is under the lock. :raises UnknownCode:"""
    wanted, params = db.any_of("g.digest", "varchar", codes.digests(code))
    found = db.ask(
        f"SELECT g.id FROM rewards_giftcard g WHERE g.merchant_id = %s AND {wanted} ORDER BY g.id"
        + db.for_update("g"),
        [merchant.pk, *params],
    ).one
    if found is None:
        raise codes.unknown(code)
    return GiftCard.objects.get(pk=found[0])


def _entry(told: _Told) -> GiftCardEntry | None:
    first = Reference.objects.filter(
        merchant_id=told.merchant.pk, source=told.source, kind=KIND, reference=told.reference
    ).first()
    if first is None:
        return None
    return GiftCardEntry.objects.select_related("card").get(merchant=told.merchant, pk=first.target_id)


def _same(first: GiftCardEntry, told: _Told, said: dict[str, Any], was: dict[str, Any]) -> None:
    differ = [name for name in said if said[name] != was[name]] if first.kind == told.kind else ["reference"]
    if differ:
        raise ReferenceReused(told.reference, of="another movement", differ=differ)


def _code(card: GiftCard) -> str:
    return secrets.open(card.sealed_code) if card.sealed_code else ""


def _check(amount_minor: int) -> None:
    if not 0 < amount_minor <= MOST_MINOR:
        raise AmountOutOfRange(
            "Say how much, in minor units.", faults=[Fault("/amount_minor", "out_of_range", "1 to 10^12")]
        )


def _check_currency(card: GiftCard, currency: str) -> None:
    if currency and currency != card.currency:
        raise OtherCurrency(
            f"This gift card holds {card.currency}.",
            faults=[Fault("/currency", "currency_mismatch", f"is {card.currency}")],
        )
