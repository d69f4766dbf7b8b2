from datetime import date, timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from loyalty import calendar, programs, tier_reviews
from loyalty.bulk import Correction
from loyalty.models import Membership
from merchants.jobs import Work
from merchants.models import Merchant


class SetTier(Correction):
    """A tier for many, by hand, until a date."""

    kind = "set_tier"
    label = _("Set the tier")
    lead = _("A tier by hand for many customers. No job lowers it before its date; a purchase may raise it.")
    permission = "loyalty.assign_tier"
    what = _("Get the tier")

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        try:
            levels = [(one.name, one.name) for one in programs.current(merchant=merchant).tiers.levels]
        except programs.NoProgram:
            levels = []
        return {
            **super().fields(merchant),
            "tier": forms.ChoiceField(choices=levels, label=_("Tier")),
            "until": forms.DateField(
                required=False,
                label=_("Until the end of"),
                help_text=_("Empty: for ever."),
                widget=forms.DateInput(attrs={"type": "date"}),
            ),
            "reason": forms.CharField(max_length=200, label=_("Reason")),
        }

    def correct(self, work: Work, customer: Customer) -> bool:
        said, merchant = work.job.parameters, work.job.merchant
        until = None
        if said["until"]:
            until = calendar.midnight(date.fromisoformat(said["until"]) + timedelta(days=1), merchant.zone)
        rules = programs.current(merchant=merchant)
        now = Membership.objects.get(merchant=merchant, customer=customer, program_id=rules.program_id)
        if now.tier == said["tier"] and now.tier_until == (until or calendar.FOREVER):
            return False
        tier_reviews.assign(
            customer=customer,
            tier=said["tier"],
            until=until,
            reason=said["reason"],
            by=work.job.started_by,
            at=work.clock(),
        )
        return True
