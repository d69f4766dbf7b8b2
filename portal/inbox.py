"""The inbox: what the shop said here, newest first. What was not seen before is marked."""

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from engagement import inbox
from portal.visits import Visit, member_door, show

SHOWN = 30


@require_safe
@member_door
def page(visit: Visit) -> HttpResponse:
    found = inbox.newest(customer=visit.member, limit=SHOWN)
    if visit.request.method == "GET" and any(one.read_at is None for one in found):
        inbox.read(customer=visit.member, messages=found, at=timezone.now())
    return show(visit, "inbox", here="me", lines=found)
