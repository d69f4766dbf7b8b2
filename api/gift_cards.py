"""Gift cards: stored value in money, bought, paid with, and given back to."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import MOST_MINOR, Body, Currency, Long, Reference, Time
from api.guessing import guarded
from api.voucher_shapes import GiftCardEntryOut, GiftCardOut
from lib import public_ids
from lib.errors import Fault, Malformed
from rewards import gift_cards
from rewards.gift_cards import CardReceipt
from rewards.models import GiftCard

STATUS = {"created": 201, "replayed": 200}
Amount = Annotated[
    int,
    Field(strict=True, ge=1, le=MOST_MINOR, description="Money in minor units of the card's currency."),
]


class GiftCardIn(Body):
    """The sale of the card is a purchase of its own, with a line of kind `gift_card`."""

    amount_minor: Amount
    currency: Currency
    reference: Reference
    customer: Annotated[str, fields.text(60, least=1)] | None = None
    expires_at: Time | None = None


class MovementIn(Body):
    """With `currency` a card of another one is refused."""

    amount_minor: Amount
    reference: Reference
    currency: Currency | None = None
    purchase_reference: Long = ""


class ChargeIn(MovementIn):
    up_to: Annotated[bool, Field(strict=True)] = Field(
        False, description="Take what is there, if it is less than `amount_minor`."
    )


class GiftCards(Door):
    @call(
        scopes=("rewards:write",),
        body=GiftCardIn,
        answers={201: GiftCardOut, 200: GiftCardOut},
        moves_points=True,
    )
    def post(self, said: GiftCardIn) -> Answer:
        """Issue a gift card. Its code is answered here and nowhere else."""
        customer = named(self, said.customer) if said.customer else None
        if said.expires_at is not None and said.expires_at <= self.at:
            raise Malformed(
                "A gift card ends in the future.",
                faults=[Fault("/expires_at", "out_of_range", "lies in the past")],
            )
        return self.do(
            lambda: gift_cards.buy(
                merchant=self.merchant,
                amount_minor=said.amount_minor,
                currency=said.currency,
                reference=said.reference,
                customer=customer,
                expires_at=said.expires_at,
                at=self.at,
                by=self.by,
            ),
            show=lambda receipt: Answer(
                STATUS[receipt.status],
                {**shown(receipt.card, at=self.at), "code": receipt.code or None},
                customer_id=receipt.card.customer_id,
                has_secret=True,
            ),
        )


class OneGiftCard(Door):
    @call(scopes=("rewards:write",), answers={200: GiftCardOut})
    def get(self, code: str) -> Answer:
        """Read what is on a gift card."""
        found = guarded(self.key, lambda: gift_cards.find(merchant=self.merchant, code=code))
        return Answer(200, shown(found, at=self.at))


class Movement(Door):
    """What money that moves on a card has in common: the code, guarded against guessing, and the answer."""

    def move(self, verb: Callable[..., CardReceipt], said: MovementIn, code: str, **more: Any) -> Answer:
        def act() -> CardReceipt:
            return verb(
                merchant=self.merchant,
                code=code,
                amount_minor=said.amount_minor,
                currency=said.currency or "",
                reference=said.reference,
                purchase_reference=said.purchase_reference,
                at=self.at,
                by=self.by,
                **more,
            )

        return guarded(self.key, lambda: self.do(act, show=lambda receipt: _entry(receipt, at=self.at)))


class Charge(Movement):
    @call(
        scopes=("rewards:write",),
        body=ChargeIn,
        answers={201: GiftCardEntryOut, 200: GiftCardEntryOut},
        moves_points=True,
    )
    def post(self, said: ChargeIn, code: str) -> Answer:
        """
        Pay with a gift card.

        Exactly `amount_minor`, or with `up_to` what is there; the entry says how much it was.
        """
        return self.move(gift_cards.charge, said, code, up_to=said.up_to)


class Refund(Movement):
    @call(
        scopes=("rewards:write",),
        body=MovementIn,
        answers={201: GiftCardEntryOut, 200: GiftCardEntryOut},
        moves_points=True,
    )
    def post(self, said: MovementIn, code: str) -> Answer:
        """Give money back to a gift card, no more than was paid with it."""
        return self.move(gift_cards.refund, said, code)


def _entry(receipt: CardReceipt, *, at: datetime) -> Answer:
    entry = receipt.entry
    body = {
        "id": entry.public_id,
        "kind": entry.kind,
        "amount_minor": entry.amount_minor,
        "currency": receipt.card.currency,
        "balance_after_minor": entry.balance_after_minor,
        "reference": entry.reference,
        "purchase_reference": entry.purchase_reference,
        "created_at": entry.created_at,
        "gift_card": shown(receipt.card, at=at),
    }
    return Answer(STATUS[receipt.status], body, customer_id=receipt.card.customer_id)


def shown(card: GiftCard, *, at: datetime) -> dict[str, Any]:
    """Return a gift card as it is answered."""
    is_expired = gift_cards.is_expired(card, at=at)
    return {
        "id": card.public_id,
        "last_four": card.last_four,
        "status": "expired" if is_expired else "active" if card.balance_minor else "used",
        "currency": card.currency,
        "balance_minor": card.balance_minor,
        "paid_minor": card.paid_minor,
        "customer": public_ids.show("cus", card.customer_id) if card.customer_id else None,
        "expires_at": card.expires_at,
        "created_at": card.created_at,
        "code": None,
    }
