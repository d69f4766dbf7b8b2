from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from customers import segments
from customers.models import Customer, Segment
from lib.errors import Conflict
from merchants.jobs import Kind, Work
from merchants.models import Job, Merchant


class CountedElsewhere(Conflict):
    code = "segment_busy"


class RefreshSegment(Kind):
    """Count a segment in full now. It begins anew when it is interrupted: who is in it already stays."""

    kind = "refresh_segment"
    label = _("Count a segment now")
    lead = _("Looks at every customer at once, instead of within the next quarter of an hour.")
    permission = "customers.change_segment"
    has_rehearsal = False

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        found = Segment.objects.filter(merchant=merchant, is_active=True).values_list("code", "name")
        return {"segment": forms.ChoiceField(choices=list(found), label=_("Segment"))}

    def total(self, job: Job) -> int:
        return Customer.objects.filter(merchant=job.merchant).count()

    def run(self, work: Work) -> None:
        job = work.job
        rows = Segment.objects.filter(merchant=job.merchant).select_related("merchant")
        segment, done = rows.get(code=job.parameters["segment"]), 0
        for some in segments.refreshing(segment=segment, at=work.at):
            done += some
            work.tell(place=0, done=min(done, job.total), counts={})
        segment.refresh_from_db()
        if segment.refreshed_at != work.at:
            raise CountedElsewhere("It is being counted already, or its rule was changed meanwhile.")
        work.tell(place=0, done=job.total, counts={"members": segment.members})

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        return [(_("Customers in the segment"), counts["members"])] if "members" in counts else []
