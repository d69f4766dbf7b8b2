"""What this room keeps about a person, and what erasure does to it: the books stay, the codes die."""

from customers.erasure import Holding, Traces, nobody, shown, theirs
from rewards.models import Redemption, Voucher, VoucherUse


def _end_vouchers(traces: Traces) -> None:
    """Nobody is left to use a bound voucher: what can still be used is cancelled, and every code goes."""
    own = theirs(Voucher, traces)
    own.filter(status__in=("issued", "reserved")).update(status=Voucher.Status.CANCELLED)
    own.update(sealed_code="")


HOLDINGS = [
    Holding(
        "rewards.Redemption",
        "Kept: points were spent, and the books must add up. It names a customer who is nobody after erasure.",
        erase=lambda traces: theirs(Redemption, traces).update(note=""),
        export=shown(
            Redemption,
            *("reward_name", "points", "status", "worth", "reference", "purchase_reference"),
            *("occurred_at", "closed_at"),
        ),
    ),
    Holding(
        "rewards.Voucher",
        "Kept without its code: what was promised and used. What could still be used is cancelled.",
        erase=_end_vouchers,
        export=shown(
            Voucher, "name", "worth", "status", "last_four", "used", "uses", "expires_at", "created_at"
        ),
    ),
    Holding(
        "rewards.VoucherUse",
        "Kept: which purchase a voucher was used with.",
        export=shown(VoucherUse, "voucher__name", "purchase_reference", "occurred_at"),
    ),
    *nobody("rewards.Reward", "rewards.CodePool", why="Kept: it is about the program."),
    *nobody("rewards.PoolCode", why="Kept: a code of another shop, sealed. Who got it is on the voucher."),
]
