"""
Redemptions and vouchers that paid for a purchase, when it is refunded: see `loyalty.returns`.

A tender of kind `points` may name a redemption: its points go back pro rata, as those of a hold do. A tender
of kind `voucher` names the code, or the redemption that issued it: a voucher is whole, so it comes back only
when all merchandise does, and can then be used again until its own end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from customers.models import Customer
from lib import public_ids
from loyalty import returns
from loyalty.desk import Desk, Row
from loyalty.returns import Spent
from rewards import codes, redemptions, trail, vouchers
from rewards.models import Redemption, Voucher, VoucherUse

__all__ = ["TENDERS"]

TAKEN = (Redemption.Status.PENDING, Redemption.Status.FULFILLED)


class _Tenders:
    def payers(self, work: Desk, tenders: Sequence[Row]) -> list[int]:
        named = _redemptions(tenders, kind="points")
        if not named:
            return []
        rows = Redemption.objects.filter(
            merchant=work.merchant, pk__in=named, membership__program=work.plan.program_id
        )
        # A household's pool, where it paid.
        return [payer or customer for customer, payer in rows.values_list("customer_id", "payer_id")]

    def spent(self, work: Desk, tenders: Sequence[Row]) -> Iterator[Spent]:
        named = _redemptions(tenders, kind="points")
        if not named:
            return
        # Locked after the accounts, as those who cancel do.
        rows = Redemption.objects.select_for_update(of=("self",)).select_related("customer", "voucher")
        for row in rows.filter(merchant=work.merchant, pk__in=named, status__in=TAKEN).order_by("pk"):
            whose = row.payer_id or row.customer.merged_into_id or row.customer_id
            membership_id = returns.membership_of(work, whose)
            if membership_id is None:
                continue
            spent = redemptions.points_of(work, membership_id, row)
            if spent is not None:
                yield replace(spent, keep=partial(_keep, work, row, spent))

    def give_back(self, work: Desk, purchase: Row, *, reference: str) -> None:
        for voucher in _vouchers(work, purchase):
            if use := _use_for(voucher, purchase):
                trail.undo(
                    use,
                    voucher,
                    source=work.source,
                    reference=reference,
                    at=work.at,
                    by=work.by,
                    purchase_reference=purchase["reference"],
                )

    def take_again(self, work: Desk, purchase: Row, *, reference: str) -> None:
        for voucher in _vouchers(work, purchase):
            undone = VoucherUse.objects.filter(
                merchant=work.merchant, voucher=voucher, source=work.source, reference=reference
            )
            first = undone.exclude(undoes=None).select_related("undoes").first()
            # Used elsewhere meanwhile: then that stands, and the voucher is not used once more than it may.
            if first is not None and voucher.status == Voucher.Status.ISSUED:
                trail.use_again(first, voucher, at=work.at, by=work.by)


TENDERS = _Tenders()


def _redemptions(tenders: Sequence[Row], *, kind: str) -> list[int]:
    named = (public_ids.read(Redemption.prefix, one["ref"]) for one in tenders if one["kind"] == kind)
    return sorted({number for number in named if number is not None})


def _keep(work: Desk, redemption: Redemption, spent: Spent, returned: int) -> None:
    """Count what came back. A voucher for it that nobody used is worth nothing: it would be had twice."""
    spent.keep(returned)
    if returned and (voucher := getattr(redemption, "voucher", None)):
        now = trail.lock(work.merchant.pk, [voucher.digest])
        if now is not None and not now.used and vouchers.state(now, at=work.at) in vouchers.OPEN:
            vouchers.cancel(voucher=now, at=work.at, by=work.by)


def _vouchers(work: Desk, purchase: Row) -> list[Voucher]:
    """Return the vouchers that tenders of the purchase name, locked, in the order of their ids."""
    tenders = [one for one in purchase["tenders"] if one["kind"] == "voucher" and one["ref"]]
    bought = Voucher.objects.filter(
        merchant=work.merchant, redemption__in=_redemptions(tenders, kind="voucher")
    )
    digests = [digest for one in tenders for digest in codes.digests(one["ref"])]
    digests += bought.values_list("digest", flat=True)
    return trail.lock_all(work.merchant.pk, digests)


def _use_for(voucher: Voucher, purchase: Row) -> VoucherUse | None:
    """
    Return the use of a voucher that paid for a purchase and was not undone: the one that names it. A till
    that does not say what it uses a voucher for has used it for this one if its customer did, once.
    """
    history = VoucherUse.objects.filter(merchant=voucher.merchant_id, voucher=voucher)
    standing = history.filter(undoes=None, undone_by=None).order_by("-pk")
    if history.filter(purchase_reference=purchase["reference"]).exists():
        return standing.filter(purchase_reference=purchase["reference"]).first()
    nameless = standing.filter(purchase_reference="")
    if voucher.uses == 1:
        return nameless.first()
    whose = Customer.objects.filter(pk=purchase["customer_id"] or 0)
    found = list(nameless.filter(customer__in=whose)[:2])
    return found[0] if len(found) == 1 else None
