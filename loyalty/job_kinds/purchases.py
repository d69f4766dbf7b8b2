from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty import purchase_file
from merchants.jobs import FileKind, Work
from merchants.models import Merchant

COUNTS = {
    "lines": _("Lines"),
    "created": _("Recorded"),
    "replayed": _("Known already"),
    "unmatched": _("Waiting for their customer"),
    "rejected": _("Refused"),
    "enrolled": _("New customers"),
    "points": _("Points"),
}
AS_OF = [("today", _("As of today")), ("history", _("As of each purchase's date"))]


class ImportPurchases(FileKind):
    """Purchases, like a till's."""

    kind = "import_purchases"
    label = _("Import purchases")
    lead = _(
        "A CSV file with the columns customer, reference, occurred_at and amount_minor. Each purchase counts once."
    )
    permission = "loyalty.adjust_points"

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        return {
            "as_of": forms.ChoiceField(choices=AS_OF, label=_("Rules and expiry")),
            "enroll": forms.BooleanField(required=False, label=_("Enroll customers nobody knows")),
        }

    def load(self, work: Work, lines: Iterable[str], **heard: Any) -> None:
        said = work.job.parameters
        purchase_file.load(
            merchant=work.job.merchant,
            file=lines,
            at=work.at,
            by=work.job.started_by,
            as_of=said["as_of"],
            enroll=said["enroll"],
            **heard,
        )

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        return [(label, counts.get(name, 0)) for name, label in COUNTS.items()]
