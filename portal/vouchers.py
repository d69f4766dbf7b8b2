"""My vouchers: those that can be used first, each with its code large enough to read and to scan."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.http import HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from lib import qr
from portal.visits import Visit, member_door, show
from rewards import vouchers
from rewards.models import Voucher

MOST_USABLE = 50
MOST_PAST = 30


@dataclass(frozen=True, slots=True)
class Shown:
    """One voucher as the page shows it. `code` and `image` are empty for one that cannot be used."""

    voucher: Voucher
    status: str
    code: str = ""
    image: str = ""

    @property
    def left(self) -> int | None:
        """How often it can still be used, where that is more than once."""
        voucher = self.voucher
        return voucher.uses - voucher.used if voucher.uses is not None and voucher.uses > 1 else None


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    now = timezone.now()
    mine = vouchers.of_customer(customer=visit.member)
    usable = [shown(one, at=now) for one in vouchers.usable(mine, at=now)[:MOST_USABLE]]
    past = [
        Shown(one, vouchers.state(one, at=now)) for one in vouchers.no_longer_usable(mine, at=now)[:MOST_PAST]
    ]
    return show(visit, "vouchers", here="vouchers", usable=usable, past=past, now=now)


def shown(voucher: Voucher, *, at: datetime) -> Shown:
    """Return a voucher with its code, opened for its own customer."""
    code = vouchers.code_of(voucher)
    return Shown(voucher, vouchers.state(voucher, at=at), code, image(code, _("QR code of your voucher")))


@lru_cache(maxsize=512)
def image(code: str, label: str) -> SafeString:
    """Return the code as an image for a scanner; empty where there is none."""
    if not code:
        return SafeString("")
    return mark_safe(qr.svg(code, label=label))  # noqa: S308 - numbers, and a label that is escaped
