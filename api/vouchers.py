"""Vouchers at the till: look, use, undo."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Long, Reference
from api.guessing import guarded
from api.voucher_shapes import VoucherOut, VoucherUseOut
from customers.models import Customer
from lib import public_ids
from rewards import codes, vouchers
from rewards.models import Voucher
from rewards.vouchers import UseReceipt

STATUS = {"created": 201, "replayed": 200}
OLDEST = timedelta(days=30)


class RedeemIn(Body):
    """With `customer` a bound voucher is refused to everybody else."""

    reference: Reference
    customer: Annotated[str, fields.text(60, least=1)] | None = None
    purchase_reference: Long = ""


class VoucherUsedIn(RedeemIn):
    """A voucher that a till took while it was offline."""

    code: Annotated[str, fields.text(codes.MOST_TYPED, least=1)]


class RollbackIn(Body):
    """`reference` is that of the use."""

    reference: Reference


class OneVoucher(Door):
    @call(scopes=("rewards:write",), answers={200: VoucherOut})
    def get(self, code: str) -> Answer:
        """Look at a voucher before it is used."""
        found = guarded(self.key, lambda: vouchers.find(merchant=self.merchant, code=code))
        return Answer(200, shown(found, at=self.at))


class Redeem(Door):
    @call(
        scopes=("rewards:write",),
        body=RedeemIn,
        answers={201: VoucherUseOut, 200: VoucherUseOut},
        moves_points=True,
    )
    def post(self, said: RedeemIn, code: str) -> Answer:
        """
        Use a voucher.

        Of two tills at once one gets it. Wrong codes are counted: see Limits.
        """
        customer = named(self, said.customer) if said.customer else None
        return guarded(
            self.key,
            lambda: self.do(
                lambda: redeemed(self, said, code=code, customer=customer),
                show=lambda receipt: answer(receipt, at=self.at),
            ),
        )


class Rollback(Door):
    @call(
        scopes=("rewards:write",),
        body=RollbackIn,
        answers={201: VoucherUseOut, 200: VoucherUseOut},
        moves_points=True,
    )
    def post(self, said: RollbackIn, code: str) -> Answer:
        """Undo a use, when the sale did not come about."""
        return guarded(
            self.key,
            lambda: self.do(
                lambda: vouchers.rollback(
                    merchant=self.merchant, code=code, reference=said.reference, at=self.at, by=self.by
                ),
                show=lambda receipt: answer(receipt, at=self.at),
            ),
        )


def redeemed(
    door: Door, said: RedeemIn, *, code: str, customer: Customer | None, occurred_at: datetime | None = None
) -> UseReceipt:
    """Use the voucher as it was said; of one taken offline its own time counts, thirty days back at most."""
    when = None if occurred_at is None else max(min(occurred_at, door.at), door.at - OLDEST)
    return vouchers.redeem(
        merchant=door.merchant,
        code=code,
        reference=said.reference,
        customer=customer,
        purchase_reference=said.purchase_reference,
        occurred_at=when,
        at=door.at,
        by=door.by,
    )


def answer(receipt: UseReceipt, *, at: datetime) -> Answer:
    return Answer(STATUS[receipt.status], used(receipt, at=at), customer_id=receipt.use.customer_id)


def used(receipt: UseReceipt, *, at: datetime) -> dict[str, Any]:
    """Return one use as it is answered."""
    use = receipt.use
    return {
        "id": use.public_id,
        "reference": use.reference,
        "purchase_reference": use.purchase_reference,
        "customer": public_ids.show("cus", use.customer_id) if use.customer_id else None,
        "rolled_back": receipt.is_rolled_back,
        "occurred_at": use.occurred_at,
        "voucher": shown(receipt.voucher, at=at),
    }


def shown(voucher: Voucher, *, at: datetime) -> dict[str, Any]:
    """Return a voucher as it is answered; never its code, which whoever asks has already."""
    owner = vouchers.owner_id(voucher)
    return {
        "id": voucher.public_id,
        "last_four": voucher.last_four,
        "name": voucher.name,
        "status": vouchers.state(voucher, at=at),
        "worth": voucher.worth,
        "customer": public_ids.show("cus", owner) if owner else None,
        "reward": public_ids.show("rwd", voucher.reward_id) if voucher.reward_id else None,
        "used": voucher.used,
        "uses_left": None if voucher.uses is None else voucher.uses - voucher.used,
        "once_per_customer": voucher.once_per_customer,
        "starts_at": voucher.starts_at,
        "expires_at": voucher.expires_at,
        "created_at": voucher.created_at,
    }
