"""Vouchers for whoever shows them, many at once: their codes are told once and kept as hashes only."""

from datetime import datetime
from typing import Any

from django.db import IntegrityError

from lib import db, public_ids
from lib.errors import Conflict, Fault, Malformed
from merchants.models import Merchant
from rewards import codes
from rewards.models import Voucher

MOST_AT_ONCE = 10_000


class AlreadyIssued(Conflict):
    """Codes are shown once: the same reference does not show them again."""

    code = "already_issued"


class CountOutOfRange(Malformed):
    code = "out_of_range"


@db.command
def issue(
    *,
    merchant: Merchant,
    count: int,
    name: str,
    worth: dict[str, Any],
    reference: str,
    at: datetime,
    by: str,
    uses: int | None = 1,
    once_per_customer: bool = False,
    starts_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> list[str]:
    """
    Issue `count` vouchers for whoever shows them, all or none; return their codes, which nobody can see again.

    :raises AlreadyIssued: the reference was used for others before
    :raises CountOutOfRange: none, or more than 10,000
    """
    if not 1 <= count <= MOST_AT_ONCE:
        raise CountOutOfRange(
            f"Between 1 and {MOST_AT_ONCE:,} codes are made at once.",
            faults=[Fault("/count", "out_of_range", f"1 to {MOST_AT_ONCE}")],
        )
    if Voucher.objects.filter(merchant=merchant, origin="staff", reference=f"{reference}/1").exists():
        raise AlreadyIssued(f"The codes of {reference} were made before and cannot be shown again.")
    made = [codes.new() for _ in range(count)]
    rows = [
        {
            "id": number,
            "merchant_id": merchant.pk,
            "customer_id": None,
            "reward_id": None,
            "redemption_id": None,
            "digest": codes.digest(codes.read(code) or ""),
            "sealed_code": "",
            "last_four": code[-4:],
            "name": name,
            "worth": worth,
            "origin": "staff",
            "reference": f"{reference}/{place}",
            "status": str(Voucher.Status.ISSUED),
            "uses": uses,
            "used": 0,
            "once_per_customer": once_per_customer,
            "starts_at": starts_at,
            "expires_at": expires_at,
            "created_at": at,
            "by": by,
        }
        for place, (number, code) in enumerate(zip(public_ids.new_many(count), made, strict=True), start=1)
    ]
    try:
        db.insert(Voucher, rows)
    except IntegrityError as taken:
        # Two clicks on the button: the other one was faster. Run again, it is found and refused by name.
        raise db.Again from taken
    return made
