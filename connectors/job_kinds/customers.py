from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from connectors import column_maps, customer_file
from merchants.jobs import FileKind, Work
from merchants.models import Merchant

COUNTS = {
    "lines": _("Lines"),
    "created": _("New customers"),
    "changed": _("Changed"),
    "unchanged": _("Unchanged"),
    "kept": _("Values kept, because something newer is known"),
    "rejected": _("Refused"),
}


class ImportCustomers(FileKind):
    """Customers and consents of a CRM, by its own ids."""

    kind = "import_customers"
    label = _("Import customers and consents")
    lead = _("People from a CRM's CSV file, by its own ids. The later word stands; an unsubscribe stays one.")
    permission = "customers.add_customer"

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        maps = [(system, one.name) for system, one in column_maps.all_maps().items()]
        return {
            "source": forms.ChoiceField(choices=maps, initial="plain", label=_("Whose file it is")),
            "welcome": forms.BooleanField(required=False, label=_("Give new members the welcome points")),
        }

    def load(self, work: Work, lines: Iterable[str], **heard: Any) -> None:
        customer_file.load(
            merchant=work.job.merchant,
            file=lines,
            map=column_maps.all_maps()[work.job.parameters["source"]],
            at=work.at,
            by="import",
            welcome=work.job.parameters["welcome"],
            **heard,
        )

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        return [(label, counts.get(name, 0)) for name, label in COUNTS.items()]
