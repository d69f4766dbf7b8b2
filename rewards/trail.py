"""The trail of a voucher: its row locked, its uses and their undoings written, counted and found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from customers import journey
from lib import db
from loyalty.models import Reference
from merchants.models import Merchant
from rewards.models import Voucher, VoucherUse

KIND = "voucher"


@db.inside_transaction
def lock_all(merchant_id: int, digests: Sequence[str]) -> list[Voucher]:
    """Lock the vouchers of these codes in the order of their ids, and return them as they are under the lock."""
    if not digests:
        return []
    wanted, params = db.any_of("v.digest", "varchar", list(digests))
    found = db.ask(
        f"SELECT v.id FROM rewards_voucher v WHERE v.merchant_id = %s AND {wanted} ORDER BY v.id"
        + db.for_update("v"),
        [merchant_id, *params],
    ).rows
    numbers = [number for (number,) in found]
    return list(Voucher.objects.select_related("customer").filter(pk__in=numbers).order_by("pk"))


def lock(merchant_id: int, digests: Sequence[str]) -> Voucher | None:
    """Lock the voucher's row, first, and return it as it is under the lock."""
    return next(iter(lock_all(merchant_id, digests)), None)


@db.inside_transaction
def undo(
    use: VoucherUse,
    voucher: Voucher,
    *,
    source: str,
    reference: str,
    at: datetime,
    by: str,
    purchase_reference: str = "",
) -> None:
    """Undo a use of a voucher that is locked, because of this purchase if the use does not name it."""
    VoucherUse.objects.create(
        merchant_id=voucher.merchant_id,
        voucher=voucher,
        customer_id=use.customer_id,
        undoes=use,
        source=source,
        reference=reference,
        purchase_reference=use.purchase_reference or purchase_reference,
        by=by,
        occurred_at=at,
    )
    count(voucher, -1)
    data = {"voucher": voucher.public_id, "name": voucher.name, "use": use.public_id, "reference": reference}
    note(voucher, "voucher.rolled_back", use.customer_id, at=at, data=data)


@db.inside_transaction
def use_again(undone: VoucherUse, voucher: Voucher, *, at: datetime, by: str) -> None:
    """Use a voucher as it was used before that was undone, because the refund that undid it failed."""
    first = undone.undoes
    assert first is not None
    use = VoucherUse.objects.create(
        merchant_id=voucher.merchant_id,
        voucher=voucher,
        customer_id=first.customer_id,
        source=first.source,
        reference=first.reference,
        purchase_reference=undone.purchase_reference,
        by=by,
        occurred_at=at,
    )
    count(voucher, 1)
    data = {
        "voucher": voucher.public_id,
        "name": voucher.name,
        "use": use.public_id,
        "reference": use.reference,
    }
    note(voucher, "voucher.redeemed", use.customer_id, at=at, data=data)


def count(voucher: Voucher, uses: int) -> None:
    """Count a use or its undoing. The table itself refuses one use too many."""
    voucher.used += uses
    if voucher.status != Voucher.Status.CANCELLED:
        is_used_up = voucher.uses is not None and voucher.used >= voucher.uses
        voucher.status = Voucher.Status.REDEEMED if is_used_up else Voucher.Status.ISSUED
    db.update(Voucher, [{"id": voucher.pk, "used": voucher.used, "status": str(voucher.status)}], key=["id"])


def of_reference(merchant: Merchant, source: str, reference: str) -> VoucherUse | None:
    """Return the use of this reference."""
    first = Reference.objects.filter(
        merchant_id=merchant.pk, source=source, kind=KIND, reference=reference
    ).first()
    return None if first is None else VoucherUse.objects.get(merchant=merchant, pk=first.target_id)


def is_undone(use: VoucherUse) -> bool:
    """Tell whether a use was undone."""
    return VoucherUse.objects.filter(undoes=use).exists()


def is_used_by(voucher: Voucher, customer_id: int | None) -> bool:
    """Tell whether this customer has used the voucher, and that stands."""
    return VoucherUse.objects.filter(
        merchant=voucher.merchant_id, voucher=voucher, customer=customer_id, undoes=None, undone_by=None
    ).exists()


def note(
    voucher: Voucher,
    kind: str,
    customer_id: int | None,
    *,
    at: datetime,
    data: dict[str, Any],
    now: datetime | None = None,
) -> None:
    """Note what happened to a voucher."""
    journey.note_all(
        [
            journey.row(
                merchant_id=voucher.merchant_id,
                customer_id=customer_id,
                kind=kind,
                at=at,
                now=now or at,
                data=data,
            )
        ]
    )
