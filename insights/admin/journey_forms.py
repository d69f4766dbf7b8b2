"""What is asked for on the pages of journeys."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from customers.models import Segment
from insights import stages
from insights.models import JourneyStages
from insights.stages import BadStages
from lib.admin import OneMerchantForm
from lib.theme import dress_input
from merchants.models import Merchant

DAYS = [(30, _("30 days")), (90, _("90 days")), (180, _("180 days")), (365, _("One year"))]
STEPS = 6


class Filters(forms.Form):
    """Whose journeys, and of when. What cannot be read is what stands there when nothing is chosen."""

    merchant: Any = forms.ModelChoiceField(Merchant.objects.none(), label=_("Merchant"), required=False)
    days = forms.TypedChoiceField(choices=DAYS, coerce=int, label=_("Time"), required=False)
    segment: Any = forms.ModelChoiceField(
        Segment.objects.none(), label=_("Persona or segment"), required=False, empty_label=_("Everybody")
    )

    def __init__(self, data: Mapping[str, Any], *, merchants: Any):
        super().__init__(data)
        self.fields["merchant"].queryset = merchants  # type: ignore[attr-defined]
        given = str(data.get("merchant", ""))
        self.merchant = (
            merchants.filter(pk=given).first() if given.isdecimal() else None
        ) or merchants.first()
        if len(merchants) < 2:
            del self.fields["merchant"]
        elif not given:
            self.initial["merchant"] = self.merchant
        self.fields["segment"].queryset = Segment.objects.filter(  # type: ignore[attr-defined]
            merchant=self.merchant, is_active=True
        ).order_by("-is_persona", "name")
        self.initial.setdefault("days", 90)
        self.data = {"days": "90", **{name: value for name, value in data.items() if value}}
        for one in self.fields.values():
            dress_input(one.widget)
        self.full_clean()

    @property
    def length(self) -> int:
        return int(self.cleaned_data.get("days") or 90)

    @property
    def chosen(self) -> Segment | None:
        found: Segment | None = self.cleaned_data.get("segment")
        return found


class FunnelForm(forms.Form):
    """The steps of a funnel in their order, and within how many days of the first."""

    within = forms.IntegerField(
        label=_("Within days of the first step"), min_value=1, max_value=365, initial=7
    )

    def __init__(self, data: Mapping[str, Any] | None, *, kinds: list[str]):
        super().__init__(data)
        choices = [("", "–"), *((kind, kind) for kind in kinds)]
        for number in range(1, STEPS + 1):
            name = _("Step %(number)s") % {"number": number}
            self.fields[f"step{number}"] = forms.ChoiceField(
                choices=choices, label=name, required=number <= 2
            )
        for one in self.fields.values():
            dress_input(one.widget)

    @property
    def steps(self) -> dict[str, list[str]]:
        """The steps by a name that tells two of one kind apart."""
        said = [self.cleaned_data.get(f"step{number}") for number in range(1, STEPS + 1)]
        return {f"{number}. {kind}": [kind] for number, kind in enumerate(filter(None, said), start=1)}

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.cleaned_data["within"])


def _box(stage: str, help_text: Any = "") -> forms.CharField:
    area = forms.Textarea(attrs={"rows": 5, "spellcheck": "false"})
    return forms.CharField(label=stages.NAMES[stage], required=False, widget=area, help_text=help_text)


class StagesForm(OneMerchantForm):
    """One box per stage, one kind of touchpoint in a line."""

    awareness = _box("awareness", _("One kind of touchpoint in a line, like page.viewed."))
    consideration = _box("consideration")
    decision = _box("decision")
    retention = _box("retention")
    advocacy = _box("advocacy")

    class Meta:
        model = JourneyStages
        fields = ["merchant"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        own = self.instance.kinds or stages.DEFAULT
        for name in stages.NAMES:
            if name in self.fields:
                dress_input(self.fields[name].widget)
                self.fields[name].widget.attrs["class"] += " l-code"
                self.initial.setdefault(name, "\n".join(own.get(name, ())))

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        told = {name: str(said.get(name, "")).split() for name in stages.NAMES}
        try:
            self.instance.kinds = stages.checked(told)
        except BadStages as refusal:
            for fault in refusal.faults:
                name = fault.pointer.removeprefix("/")
                self.add_error(name if name in self.fields else None, fault.detail)
        return said
