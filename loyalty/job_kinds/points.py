from django import forms
from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from loyalty import adjustments
from loyalty.bulk import Correction
from merchants.jobs import Work
from merchants.models import Merchant

SOURCE = "job"


class AdjustPoints(Correction):
    """Points for many, given or taken, each once per reference."""

    kind = "adjust_points"
    label = _("Give or take points")
    lead = _(
        "The same points for many customers. Each gets them once per reference, however often it is started."
    )
    permission = "loyalty.adjust_points"
    what = _("Get the points")

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        most = adjustments.LARGEST
        return {
            **super().fields(merchant),
            "points": forms.IntegerField(
                min_value=-most,
                max_value=most,
                label=_("Points"),
                help_text=_("Below zero to take some away."),
            ),
            "reason": forms.CharField(max_length=200, label=_("Reason"), help_text=_("Customers read it.")),
            "reference": forms.SlugField(
                max_length=60,
                label=_("Reference"),
                help_text=_("A name for this gift, like summer-2026: nobody gets it twice."),
            ),
        }

    def correct(self, work: Work, customer: Customer) -> bool:
        said = work.job.parameters
        receipt = adjustments.adjust(
            customer=customer,
            points=said["points"],
            reason=said["reason"],
            reference=f"{said['reference']}:{customer.public_id}",
            by=work.job.started_by,
            at=work.clock(),
            source=SOURCE,
        )
        return receipt.status == "created"
