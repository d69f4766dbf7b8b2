"""Corrections for thousands of customers, as long jobs: a command each, so that one refusal spoils no other."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from lib import db
from lib.errors import DomainError
from loyalty import audience
from merchants.jobs import Kind, Work
from merchants.models import Job, Merchant

CHUNK = 50
COLUMNS = ("customer", "name")
KINDS = {"tier": _("Tier"), "segment": _("Segment")}


class Correction(Kind):
    """One command for each customer of an audience. `place` is the last customer's id."""

    what: ClassVar[Any] = _("Changed")

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        offered = [(key, self._named(key, name)) for key, name in audience.choices(merchant).items()]
        return {"who": forms.ChoiceField(choices=offered, label=_("For whom"))}

    def _named(self, key: str, name: str) -> Any:
        kind = KINDS.get(key.partition(":")[0])
        return f"{kind}: {name}" if kind else _("All active customers")

    def total(self, job: Job) -> int:
        return audience.customers(job.merchant, job.parameters["who"]).count()

    def correct(self, work: Work, customer: Customer) -> bool:
        """Correct one; tell whether anything changed. A repeat changes nothing."""
        raise NotImplementedError

    def run(self, work: Work) -> None:
        job = work.job
        rows = audience.customers(job.merchant, job.parameters["who"])
        place, counts = job.place, {"customers": 0, "changed": 0, "unchanged": 0, "rejected": 0, **job.counts}
        while some := list(rows.filter(pk__gt=place)[:CHUNK]):
            for customer in some:
                customer.merchant = job.merchant
                counts["customers"] += 1
                counts[self._one(work, customer)] += 1
            place = some[-1].pk
            work.tell(place=place, done=counts["customers"], counts=counts)

    def _one(self, work: Work, customer: Customer) -> str:
        try:
            with db.dry_run(work.is_rehearsal):
                return "changed" if self.correct(work, customer) else "unchanged"
        except DomainError as refusal:
            row = [customer.public_id, customer.name]
            # Counted like a line of a list, so that staff can say which one.
            work.refuse(COLUMNS, 0, row, refusal.code, str(refusal))
            return "rejected"

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        labels = {
            "customers": _("Customers"),
            "changed": self.what,
            "unchanged": _("Unchanged"),
            "rejected": _("Refused"),
        }
        return [(label, counts.get(name, 0)) for name, label in labels.items()]
