from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from loyalty import balance_file, column_map
from merchants.jobs import FileKind, Work
from merchants.models import Merchant

COUNTS = {
    "rows": _("Rows"),
    "created": _("Brought in"),
    "replayed": _("Known already"),
    "skipped": _("Of nobody in the program"),
    "rejected": _("Refused"),
    "enrolled": _("New customers"),
    "points_in_file": _("Points in the file"),
    "points": _("Points brought in"),
    "points_before": _("Points known already"),
    "points_rejected": _("Points in refused rows"),
}


class ImportBalances(FileKind):
    """Customers with points, tiers and dates from another system."""

    kind = "import_balances"
    label = _("Import balances of another system")
    lead = _(
        "Customers with their points, tiers and dates, from a CSV file. A row that is known changes nothing."
    )
    permission = "loyalty.adjust_points"

    def fields(self, merchant: Merchant) -> dict[str, forms.Field]:
        maps = [(name, column_map.load(name).name) for name in column_map.names()]
        return {"map": forms.ChoiceField(choices=maps, initial="ours", label=_("Whose file it is"))}

    def load(self, work: Work, lines: Iterable[str], **heard: Any) -> None:
        columns = column_map.load(work.job.parameters["map"])
        balance_file.load(
            merchant=work.job.merchant,
            columns=columns,
            file=lines,
            at=work.at,
            by=f"import:{columns.system}",
            size=500,
            **heard,
        )

    def said(self, counts: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        shown = [(label, counts.get(name, 0)) for name, label in COUNTS.items()]
        if counts.get("unknown_columns"):
            shown.append((_("Columns that are not brought in"), ", ".join(counts["unknown_columns"])))
        return shown
