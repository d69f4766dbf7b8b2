"""Codes that are worth something at a till: issued for a redemption, cancelled while nobody used them."""

import hashlib
import hmac
import secrets as chance
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from customers.models import Customer
from lib import db, secrets
from lib.errors import Refused
from merchants.models import Merchant
from rewards.models import Reward, Voucher

# Without 0/O and 1/I, which people mistake for one another.
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 11


class VoucherRedeemed(Refused):
    code = "voucher_redeemed"


class VoucherExpired(Refused):
    code = "voucher_expired"


@dataclass(frozen=True, slots=True)
class IssuedVoucher:
    """A voucher with its code, which is shown to its customer."""

    voucher: Voucher
    code: str


def new_code() -> str:
    """Return a code of 55 random bits and a check letter, which finds a letter mistyped."""
    letters = "".join(chance.choice(LETTERS) for _ in range(LENGTH))
    return letters + check_letter(letters)


def check_letter(letters: str) -> str:
    """Return the letter that follows from the others (Luhn's sum over 32 letters)."""
    total = 0
    for place, letter in enumerate(reversed(letters)):
        value = LETTERS.index(letter) * (2 - place % 2)
        total += value // len(LETTERS) + value % len(LETTERS)
    return LETTERS[-total % len(LETTERS)]


def digest(code: str) -> str:
    """Return what a code is found by."""
    return hmac.new(settings.LOOKUP_KEY.encode(), code.encode(), hashlib.sha256).hexdigest()


@db.inside_transaction
def issue(
    *,
    merchant: Merchant,
    name: str,
    worth: dict[str, Any],
    at: datetime,
    by: str,
    origin: str,
    reference: str,
    customer: Customer | None,
    reward: Reward | None = None,
    redemption_id: int | None = None,
    uses: int | None = 1,
    once_per_customer: bool = False,
    expires_at: datetime | None = None,
) -> IssuedVoucher:
    """Issue one voucher, bound to `customer` or for its bearer. The code of a bound one is kept, sealed."""
    code = new_code()
    voucher = Voucher(
        merchant=merchant,
        customer_id=customer.pk if customer else None,
        reward=reward,
        redemption_id=redemption_id,
        digest=digest(code),
        sealed_code=secrets.seal(code) if customer else "",
        last_four=code[-4:],
        name=name,
        worth=worth,
        origin=origin,
        reference=reference,
        uses=uses,
        once_per_customer=once_per_customer,
        expires_at=expires_at,
        created_at=at,
        by=by,
    )
    voucher.save(force_insert=True)
    return IssuedVoucher(voucher, code)


@db.inside_transaction
def cancel(*, voucher: Voucher, at: datetime, by: str) -> None:
    """
    Make a voucher worth nothing. Repeating changes nothing.

    :raises VoucherRedeemed: it was used
    :raises VoucherExpired: its time is over
    """
    now = Voucher.objects.select_for_update(of=("self",)).get(pk=voucher.pk)
    if now.used or now.status == Voucher.Status.REDEEMED:
        raise VoucherRedeemed("The voucher was used; it cannot be given back.")
    if now.expires_at is not None and now.expires_at <= at:
        raise VoucherExpired("The voucher has expired; it cannot be given back.")
    Voucher.objects.filter(pk=now.pk).update(status=Voucher.Status.CANCELLED)
    voucher.status = Voucher.Status.CANCELLED
