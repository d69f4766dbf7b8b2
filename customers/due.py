"""How long the periodic work of this room has been waiting: see config/periodic.py."""

from datetime import datetime, timedelta

from customers import changes, segments
from customers.models import Segment, SignInCode, Touchpoint, Watermark
from lib.due import Ids, earliest, whose


def relay(*, at: datetime, merchants: Ids) -> datetime | None:
    return earliest(whose(Touchpoint.objects.filter(relayed_at=None), merchants), "created_at", by="pk")


def follow(*, at: datetime, merchants: Ids) -> datetime | None:
    """Our own touchpoints of segments are read too, so any that is later than the mark waits."""
    mark = Watermark.objects.filter(name=changes.NAME).values_list("fresh", flat=True).first() or 0
    return earliest(whose(Touchpoint.objects.filter(pk__gt=mark), merchants), "created_at", by="pk")


def refresh_segments(*, at: datetime, merchants: Ids) -> datetime | None:
    rows = whose(Segment.objects.filter(is_active=True), merchants)
    waiting = [segments.due_at(one) for one in rows if segments.is_due(one, at)]
    return min(waiting, default=None)


def forget_codes(*, at: datetime, merchants: Ids) -> datetime | None:
    gone = timedelta(days=1)
    oldest = earliest(whose(SignInCode.objects.filter(expires_at__lt=at - gone), merchants), "expires_at")
    return oldest + gone if oldest else None


DUE = {
    "customers.tasks.relay": relay,
    "customers.tasks.follow": follow,
    "customers.tasks.refresh_segments": refresh_segments,
    "customers.tasks.forget_codes": forget_codes,
}
