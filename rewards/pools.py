"""Pools of another shop's codes: filled by staff, handed out once each, and somebody is told before they end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import mail
from django.utils import translation
from django.utils.translation import gettext as _

from customers.models import Customer
from lib import db, public_ids, secrets
from lib.errors import Malformed, Refused
from merchants.models import Role
from rewards import codes, vouchers
from rewards.models import CodePool, PoolCode, Reward, Voucher
from rewards.vouchers import IssuedVoucher

MOST_AT_ONCE = 50_000
LONGEST = codes.MOST_TYPED


class PoolEmpty(Refused):
    """No code is left that can still be used."""

    code = "pool_empty"


class NotCodes(Malformed):
    code = "not_codes"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of an upload: how many codes are new, which were there before or stood in it twice."""

    added: int
    duplicates: tuple[str, ...]


def read(text: str) -> list[str]:
    """
    Return the codes of a text or CSV file: the first column of each line, without blank lines and a heading.

    :raises NotCodes: a line is too long, holds control characters, or there are too many
    """
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        code = line.replace(";", ",").replace("\t", ",").split(",")[0].strip().strip('"').strip()
        if not code or (number == 1 and code.lower() in ("code", "codes")):
            continue
        if len(code) > LONGEST or not code.isprintable():
            raise NotCodes(f"Line {number} is not a code: at most {LONGEST} visible letters.")
        found.append(code)
    if len(found) > MOST_AT_ONCE:
        raise NotCodes(f"At most {MOST_AT_ONCE:,} codes at once: send the rest in another file.")
    if not found:
        raise NotCodes("There is no code in it.")
    return found


@db.command
def upload(
    *, pool: CodePool, given: Iterable[str], at: datetime, expires_at: datetime | None = None
) -> Uploaded:
    """Add codes to a pool. One that is in it already, handed out or not, is left out and told."""
    by_digest: dict[str, str] = {}
    duplicates: list[str] = []
    for code in given:
        digest = codes.foreign_digest(code)
        if digest in by_digest:
            duplicates.append(code)
        by_digest.setdefault(digest, code)
    locked = CodePool.objects.select_for_update(of=("self",)).get(pk=pool.pk)
    wanted, params = db.any_of("p.digest", "varchar", list(by_digest))
    there = db.ask(
        f"SELECT p.digest FROM rewards_poolcode p WHERE p.pool_id = %s AND {wanted}", [pool.pk, *params]
    )
    duplicates += [by_digest.pop(digest) for (digest,) in there.rows]
    rows = [
        {
            "id": number,
            "merchant_id": pool.merchant_id,
            "pool_id": pool.pk,
            "digest": digest,
            "sealed_code": secrets.seal(code),
            "voucher_id": None,
            "expires_at": expires_at,
            "handed_at": None,
        }
        for number, (digest, code) in zip(public_ids.new_many(len(by_digest)), by_digest.items(), strict=True)
    ]
    db.insert(PoolCode, rows)
    if locked.warned_at is not None and not is_low(locked, at=at):
        CodePool.objects.filter(pk=pool.pk).update(warned_at=None)
    return Uploaded(len(rows), tuple(duplicates))


@db.inside_transaction
def hand_out(
    *,
    pool: CodePool,
    name: str,
    worth: dict[str, Any],
    reference: str,
    customer: Customer | None,
    at: datetime,
    by: str,
    reward: Reward | None = None,
    redemption_id: int | None = None,
    expires_at: datetime | None = None,
) -> IssuedVoucher:
    """
    Issue a voucher with the oldest code of the pool that is left, once per reference.

    Two at once get two codes: each passes by the row that the other one has locked. The voucher ends when the
    first of its own and the code's end comes.

    :raises PoolEmpty: none is left
    """
    first = Voucher.objects.filter(merchant=pool.merchant, origin="pool", reference=reference).first()
    if first is not None:
        return IssuedVoucher(first, vouchers.code_of(first))
    # What somebody else has locked may come back, if they are refused later: only who waits knows it is gone.
    taken = _take(pool, at=at, skip_locked=True) or _take(pool, at=at, skip_locked=False)
    if taken is None:
        raise PoolEmpty("No code is left in this pool.")
    number, sealed, ends = taken
    ends_at = min((end for end in (expires_at, db.time(ends)) if end is not None), default=None)
    issued = vouchers.issue(
        merchant=pool.merchant,
        name=name,
        worth=worth,
        at=at,
        by=by,
        origin="pool",
        reference=reference,
        customer=customer,
        reward=reward,
        redemption_id=redemption_id,
        expires_at=ends_at,
        code=secrets.open(sealed),
    )
    PoolCode.objects.filter(pk=number).update(voucher=issued.voucher, handed_at=at, sealed_code="")
    return issued


def _take(pool: CodePool, *, at: datetime, skip_locked: bool) -> tuple[int, str, Any] | None:
    found = db.ask(
        """
        SELECT p.id, p.sealed_code, p.expires_at FROM rewards_poolcode p
        WHERE p.merchant_id = %s AND p.pool_id = %s AND p.voucher_id IS NULL
          AND (p.expires_at IS NULL OR p.expires_at > %s)
        ORDER BY p.id LIMIT 1
        """
        + db.for_update("p", skip_locked=skip_locked),
        [pool.merchant_id, pool.pk, at],
    ).one
    return None if found is None else (found[0], found[1], found[2])


def left(pool: CodePool, *, at: datetime, most: int = 1_000_000) -> int:
    """Return how many codes are left that can still be used, counted no further than `most`."""
    rows = PoolCode.objects.filter(merchant=pool.merchant_id, pool=pool, voucher=None)
    usable = rows.exclude(expires_at__lte=at).order_by()
    return int(usable.values("pk")[:most].count())


def is_low(pool: CodePool, *, at: datetime) -> bool:
    """Tell whether fewer codes are left than the shop wants to have."""
    return left(pool, at=at, most=max(pool.warns_below, 0)) < pool.warns_below


def low(*, at: datetime) -> list[CodePool]:
    """Return the pools in which few codes are left."""
    return [
        pool for pool in CodePool.objects.select_related("merchant").order_by("pk") if is_low(pool, at=at)
    ]


def warn(*, at: datetime) -> int:
    """Write to the owners of each pool that runs low, once until it is refilled; return how many pools."""
    warned = 0
    for pool in low(at=at):
        if not _claim(pool, at=at):
            continue
        try:
            _write(pool, at=at)
        except Exception:
            # Nobody was told: the next sweep tries again.
            CodePool.objects.filter(pk=pool.pk).update(warned_at=None)
            raise
        warned += 1
    return warned


@db.command
def _claim(pool: CodePool, *, at: datetime) -> bool:
    """Be the one who warns: of two sweeps at once only one finds the pool not yet warned about."""
    return bool(CodePool.objects.filter(pk=pool.pk, warned_at=None).update(warned_at=at))


def _write(pool: CodePool, *, at: datetime) -> None:
    owners = Role.objects.filter(merchant=pool.merchant, kind=Role.Kind.OWNER, staff__is_active=True)
    addresses = [email for email in owners.values_list("staff__email", flat=True) if email]
    if not addresses:
        return
    with translation.override(pool.merchant.language):
        said = {"pool": pool.name, "count": left(pool, at=at), "shop": pool.merchant.name}
        mail.send_mail(
            _("%(shop)s: few codes are left in %(pool)s") % said,
            _("%(count)s codes are left in %(pool)s. Add more before customers find it empty.") % said,
            None,
            addresses,
        )
