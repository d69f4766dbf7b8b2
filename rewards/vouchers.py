"""Vouchers: issued, found by their code, used at a till, and used no more often than they may be."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import F

from customers.models import Customer
from lib import db, secrets
from lib.errors import Fault, NotFound, ReferenceReused, Refused
from loyalty import known
from merchants.models import Merchant
from rewards import codes, trail
from rewards.models import Reward, Voucher, VoucherUse

OPEN = (Voucher.Status.ISSUED, Voucher.Status.RESERVED)
_COLUMNS = tuple(field.attname for field in Voucher._meta.concrete_fields)


class VoucherExpired(Refused):
    code = "voucher_expired"


class VoucherNotYetValid(Refused):
    code = "voucher_not_yet_valid"


class VoucherRedeemed(Refused):
    """It was used as often as it may be, or once by this customer."""

    code = "voucher_redeemed"


class VoucherCancelled(Refused):
    code = "voucher_cancelled"


class VoucherReserved(Refused):
    """A checkout that is still open holds it."""

    code = "voucher_reserved"


class VoucherNotYours(Refused):
    """It is bound to another customer."""

    code = "voucher_not_yours"


class CustomerRequired(Refused):
    """A voucher that everybody may use once must know who uses it."""

    code = "customer_required"


@dataclass(frozen=True, slots=True)
class IssuedVoucher:
    """A voucher and its code. `code` is empty where it was issued before and is kept as a hash only."""

    voucher: Voucher
    code: str


@dataclass(frozen=True, slots=True)
class UseReceipt:
    """One use's answer: status created or replayed, and the voucher as it is now."""

    status: str
    use: VoucherUse
    voucher: Voucher
    is_rolled_back: bool


# --- issuing ----------------------------------------------------------------------------------------------


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
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
    code: str = "",
) -> IssuedVoucher:
    """
    Issue one voucher, once per origin and reference; a repeat returns the first one.

    With a customer it is bound, and its code is kept sealed so that they can see it again; without one only a
    hash is kept. `uses` None is without end. `code` is another shop's code; without one ours is made.
    """
    # A redemption is made once, and its voucher with it: there is none to look for.
    if reference and redemption_id is None and (first := _issued(merchant, origin, reference)) is not None:
        return IssuedVoucher(first, code_of(first))
    shown = code.strip() or codes.new()
    voucher = Voucher(
        merchant=merchant,
        customer=customer,
        reward=reward,
        redemption_id=redemption_id,
        digest=_digest(shown, is_foreign=bool(code)),
        sealed_code=secrets.seal(shown) if customer else "",
        last_four=shown[-4:],
        name=name,
        worth=worth,
        origin=origin,
        reference=reference,
        uses=uses,
        once_per_customer=once_per_customer,
        starts_at=starts_at,
        expires_at=expires_at,
        created_at=at,
        by=by,
    )
    db.insert(Voucher, [{name: getattr(voucher, name) for name in _COLUMNS}])
    data = {"voucher": voucher.public_id, "name": name, "origin": origin, "expires_at": _text(expires_at)}
    trail.note(voucher, "voucher.issued", customer.pk if customer else None, at=at, data=data)
    return IssuedVoucher(voucher, shown)


@db.inside_transaction
def cancel(*, voucher: Voucher, at: datetime, by: str) -> Voucher:
    """
    Cancel a voucher that was not used. Repeating changes nothing.

    :raises VoucherRedeemed: it was used; roll the use back first
    :raises VoucherExpired: it is past its end, and what it promised with it
    """
    mine = trail.lock(voucher.merchant_id, [voucher.digest])
    assert mine is not None
    if mine.status == Voucher.Status.CANCELLED:
        return mine
    if mine.used:
        raise VoucherRedeemed("This voucher was used: roll its use back first.")
    if state(mine, at=at) == Voucher.Status.EXPIRED:
        raise VoucherExpired("This voucher has expired.")
    Voucher.objects.filter(pk=mine.pk).update(status=Voucher.Status.CANCELLED)
    mine.status = voucher.status = Voucher.Status.CANCELLED
    data = {"voucher": mine.public_id, "name": mine.name, "by": by}
    trail.note(mine, "voucher.cancelled", mine.customer_id, at=at, data=data)
    return mine


@db.command
def withdraw(*, voucher: Voucher, at: datetime, by: str) -> Voucher:
    """Cancel a voucher at the desk, for which no points were spent. :raises VoucherRedeemed: it was used"""
    if voucher.redemption_id is not None:
        raise Refused("Points were spent on this voucher: cancel its redemption, so that they come back.")
    return cancel(voucher=voucher, at=at, by=by)


# --- looking ----------------------------------------------------------------------------------------------


def find(*, merchant: Merchant, code: str) -> Voucher:
    """
    Return the voucher behind a code, however it was typed.

    :raises UnknownCode: there is none here
    :raises MistypedCode: its check letter is wrong
    """
    found = (
        Voucher.objects.select_related("customer", "reward")
        .filter(merchant=merchant, digest__in=codes.digests(code))
        .first()
    )
    if found is None:
        raise codes.unknown(code)
    return found


def state(voucher: Voucher, *, at: datetime) -> str:
    """Return the status at a time: one whose time is over is expired, whether or not a job has run."""
    is_over = voucher.expires_at is not None and voucher.expires_at <= at
    return str(Voucher.Status.EXPIRED if is_over and voucher.status in OPEN else voucher.status)


def check(voucher: Voucher, *, at: datetime, customer: Customer | None = None) -> None:
    """:raises Refused: why this voucher cannot be used at that time (by that customer), as `redeem` says it"""
    match state(voucher, at=at):
        case Voucher.Status.EXPIRED:
            raise VoucherExpired("This voucher has expired.")
        case Voucher.Status.REDEEMED:
            raise VoucherRedeemed("This voucher was used already.")
        case Voucher.Status.CANCELLED:
            raise VoucherCancelled("This voucher was cancelled.")
        case Voucher.Status.RESERVED:
            raise VoucherReserved("This voucher is reserved at a checkout that is still open.")
    if voucher.starts_at is not None and voucher.starts_at > at:
        raise VoucherNotYetValid("This voucher is not valid yet.")
    if customer is not None and voucher.customer_id is not None and owner_id(voucher) != customer.pk:
        raise VoucherNotYours(
            "This voucher belongs to another customer.",
            faults=[Fault("/customer", "voucher_not_yours", "is not who the voucher was given to")],
        )
    if voucher.once_per_customer and customer is None and voucher.customer_id is None:
        raise CustomerRequired(
            "Everybody may use this voucher once: say who the customer is.",
            faults=[Fault("/customer", "required", "is needed for this voucher")],
        )


def owner_id(voucher: Voucher) -> int | None:
    """Return the customer a voucher is bound to, as the target of any merge."""
    owner = voucher.customer
    return None if owner is None else owner.merged_into_id or owner.pk


def code_of(voucher: Voucher) -> str:
    """Return the code of a bound voucher, to show it to its customer; empty where only a hash is kept."""
    return secrets.open(voucher.sealed_code) if voucher.sealed_code else ""


def of_customer(*, customer: Customer) -> Any:
    """Return a customer's vouchers, newest first, also of those who were merged into them."""
    whose = [customer.pk, *Customer.objects.filter(
        merchant=customer.merchant_id, merged_into=customer
    ).values_list("pk", flat=True)]  # fmt: skip
    return (
        Voucher.objects.filter(merchant=customer.merchant_id, customer__in=whose)
        .select_related("redemption")
        .order_by("-created_at", "-pk")
    )


def usable(rows: Any, *, at: datetime) -> Any:
    """Return the vouchers that can be used, those that end first before the others."""
    return rows.filter(status__in=OPEN).exclude(expires_at__lte=at).order_by(
        F("expires_at").asc(nulls_last=True), "-pk"
    )  # fmt: skip


def no_longer_usable(rows: Any, *, at: datetime) -> Any:
    """Return the vouchers that were used, have expired or were cancelled."""
    return rows.exclude(status__in=OPEN) | rows.filter(status__in=OPEN, expires_at__lte=at)


def has_any(*, merchant: Merchant) -> bool:
    """Tell whether the merchant gives vouchers at all. A yes is kept a while: every page of a customer asks."""
    name = f"has-vouchers:{merchant.pk}"
    if cache.get(name):
        return True
    found = Voucher.objects.filter(merchant=merchant).exists()
    if found:
        cache.set(name, True, 3600)
    return found


# --- using ------------------------------------------------------------------------------------------------


@db.command
def redeem(
    *,
    merchant: Merchant,
    code: str,
    reference: str,
    at: datetime,
    by: str,
    customer: Customer | None = None,
    purchase_reference: str = "",
    source: str = "api",
    occurred_at: datetime | None = None,
) -> UseReceipt:
    """
    Use a voucher, once per reference; a repeat answers the first use, also after it was rolled back.

    Of two tills at once one waits for the other, finds the voucher used and is refused. `occurred_at` is when
    a till that was offline took it: whether it was valid is judged by that time.

    :raises UnknownCode: there is no such voucher here
    :raises Refused: it cannot be used: see `check`
    :raises ReferenceReused: the reference belongs to another use
    """
    voucher = trail.lock(merchant.pk, codes.digests(code))
    if voucher is None:
        raise codes.unknown(code)
    whose = customer.pk if customer else owner_id(voucher)
    said = {"code": voucher.pk, "customer": whose, "purchase_reference": purchase_reference}
    if (first := trail.of_reference(merchant, source, reference)) is not None:
        return _repeat(first, voucher, said)
    when = occurred_at or at
    check(voucher, at=when, customer=customer)
    if voucher.once_per_customer and trail.is_used_by(voucher, whose):
        raise VoucherRedeemed("This customer has used the voucher already.")
    use = VoucherUse.objects.create(
        merchant=merchant,
        voucher=voucher,
        customer_id=whose,
        source=source,
        reference=reference,
        purchase_reference=purchase_reference,
        by=by,
        occurred_at=when,
    )
    known.remember(
        [
            known.reference_row(
                merchant_id=merchant.pk,
                source=source,
                kind=trail.KIND,
                reference=reference,
                target_id=use.pk,
                at=at,
            )
        ]
    )
    trail.count(voucher, 1)
    data = {"voucher": voucher.public_id, "name": voucher.name, "use": use.public_id, "reference": reference}
    trail.note(voucher, "voucher.redeemed", whose, at=when, now=at, data=data)
    return UseReceipt("created", use, voucher, False)


@db.command
def rollback(
    *, merchant: Merchant, code: str, reference: str, at: datetime, by: str, source: str = "api"
) -> UseReceipt:
    """
    Undo the use of this reference, so that the voucher can be used again. Repeating changes nothing.

    :raises UnknownCode: there is no such voucher here
    :raises NotFound: it was never used under this reference
    """
    voucher = trail.lock(merchant.pk, codes.digests(code))
    if voucher is None:
        raise codes.unknown(code)
    use = trail.of_reference(merchant, source, reference)
    if use is None or use.voucher_id != voucher.pk:
        raise NotFound(
            "This voucher was not used under this reference.",
            faults=[Fault("/reference", "not_found", "is no use of this voucher")],
        )
    if trail.is_undone(use):
        return UseReceipt("replayed", use, voucher, True)
    trail.undo(use, voucher, source=source, reference=reference, at=at, by=by)
    return UseReceipt("created", use, voucher, True)


def _repeat(first: VoucherUse, voucher: Voucher, said: dict[str, Any]) -> UseReceipt:
    was = {
        "code": first.voucher_id,
        "customer": first.customer_id,
        "purchase_reference": first.purchase_reference,
    }
    if differ := [name for name in said if said[name] != was[name]]:
        raise ReferenceReused(first.reference, of="another use", differ=differ)
    return UseReceipt("replayed", first, voucher, trail.is_undone(first))


def _issued(merchant: Merchant, origin: str, reference: str) -> Voucher | None:
    return Voucher.objects.filter(merchant=merchant, origin=origin, reference=reference).first()


def _digest(code: str, *, is_foreign: bool) -> str:
    return codes.foreign_digest(code) if is_foreign else codes.digest(codes.read(code) or "")


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
